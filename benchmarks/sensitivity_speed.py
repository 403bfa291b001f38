"""Compare mutants on dbt and on the bench: `python benchmarks/sensitivity_speed.py`.

Takes a sample of mutants, writes each into a copy of the dbt project, builds both batches of the dye with dbt, and runs
its equality tests. Prints the seconds of each way, and fails if the two disagree on which mutants are detected. Run it
in the sandbox: it builds the schemas of target angiogram.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random
from time import perf_counter

from angiogram.sensitivity.bench.runner import Runner
from angiogram.sensitivity.compiled import compile_project
from angiogram.sensitivity.mutants.mutants import Mutant, Variant
from angiogram.sensitivity.witnesses.feed import surroundings

PROJECT = Path(__file__).resolve().parents[1] / "dbt_project"
TARGET = "angiogram"
_CONFIG = re.compile(r"\{\{\s*config\(.*?\)\s*\}\}", re.DOTALL)


def as_model(text: str, variant: Variant) -> str:
    """The mutant as a dbt model, with the config of the original model."""

    def refs(query: str) -> str:
        return re.sub(r'"@([^"]+)"', lambda match: "{{ ref('" + match[1] + "') }}", query)

    config = _CONFIG.search(text)
    if variant.later is None:
        return refs(variant.sql)
    own = refs(variant.later.sql)
    head = config[0] if config else ""
    return f"{head}\n{{% if is_incremental() %}}\n{own}\n{{% else %}}\n{refs(variant.sql)}\n{{% endif %}}"


def dbt(project: Path, *arguments: str) -> int:
    """Run one dbt command as a user would; return its exit code."""
    command = [str(Path(sys.executable).with_name("dbt")), *arguments, "--target", TARGET]
    place = ["--project-dir", str(project), "--profiles-dir", str(project)]
    return subprocess.run([*command, *place], stdout=subprocess.DEVNULL, check=False).returncode  # noqa: S603


def built_with_dbt(mutant: Mutant, variant: Variant, path: str) -> bool:
    """Whether dbt's own build of both batches detects the mutant."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "dbt_project"
        shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns("target*", "logs", "unit_tests*"))
        model = copy / path
        own = "{{ ref('" + mutant.node + "') }}"
        model.write_text(as_model(model.read_text(), variant).replace(own, "{{ this }}"))
        select = ["--select", "+config.materialized:incremental", "--exclude", "resource_type:seed", "test_type:data"]
        failed = dbt(copy, "build", *select, "--full-refresh", "--vars", "{dye_batches: 1}")
        return bool(failed or dbt(copy, "build", "--vars", "{dye_batches: 2}"))


def main() -> int:
    """Compare; exit code 1 if the two ways disagree."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    project = compile_project(PROJECT, TARGET)
    with Runner(project, PROJECT, TARGET, surroundings(project, PROJECT)[:1]) as runner:
        mutants = runner.mutants()
        outcomes, seconds = runner.run(mutants)
    # staging reads the topic's view on the bench, but the input seeds in dbt alone: not comparable
    usable = [
        (m, o.how != "survived")
        for m, o in zip(mutants, outcomes, strict=True)
        if o.how != "stillborn" and m.variant and m.operator != "incremental" and not m.node.startswith("stg_")
    ]
    sample = Random(0).sample(usable, number)  # noqa: S311
    dbt(PROJECT, "seed", "--full-refresh")
    begun = perf_counter()
    agreed = []
    for mutant, seen in sample:
        if mutant.variant:
            verdict = built_with_dbt(mutant, mutant.variant, project.models[mutant.node].path)
            agreed.append(verdict == seen)
            print(f"{mutant.id}: dbt {verdict}, bench {seen}", file=sys.stderr)
    each_with_dbt, each_on_bench = (perf_counter() - begun) / number, seconds / len(mutants)
    print(f"| way | seconds per mutant |\n|---|---:|\n| dbt build, {number} mutants | {each_with_dbt:.2f} |")
    print(f"| on the bench, {len(mutants)} mutants | {each_on_bench:.4f} |")
    print(f"{each_with_dbt / each_on_bench:.0f} times faster; same verdict on {sum(agreed)} of {number}")
    return 0 if all(agreed) else 1


if __name__ == "__main__":
    sys.exit(main())
