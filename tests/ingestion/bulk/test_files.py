"""Which files of a folder are rides, and by which name."""

from pathlib import Path

from ingestion.bulk.reading.files import source_files


def test_links_to_folders_are_followed_and_each_folder_is_read_once(tmp_path: Path) -> None:
    """By its own path rather than by a link's, which may name no day; a link that leads back up is no endless way."""
    folder, elsewhere = tmp_path / "rides", tmp_path / "elsewhere"
    for day in (folder / "2026-01-01", elsewhere / "2026-01-02", elsewhere / ".hidden"):
        day.mkdir(parents=True)
        (day / "a.csv").touch()
    (folder / ".2026-01-03").symlink_to(elsewhere)
    (folder / "0-latest").symlink_to("2026-01-01")
    (folder / "archive").symlink_to(elsewhere)
    (folder / "archive-again").symlink_to(elsewhere)
    (elsewhere / "up").symlink_to(folder)
    assert [file.name for file in source_files(folder)] == ["2026-01-01/a.csv", "archive/2026-01-02/a.csv"]
