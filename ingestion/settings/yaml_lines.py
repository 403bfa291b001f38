"""Lines of what stands in a YAML file, for messages that name them."""

import yaml


def line_in(root: yaml.Node | None, *name: str | int) -> int:
    """Return the line, from 1, of a value, or of the nearest enclosing one if it is missing.

    Args:
        root: the file as a tree of nodes; None if it is empty.
        name: of the value, after those that enclose it; a number for an item of a list.
    """
    node = root
    line = node.start_mark.line + 1 if node else 1
    for part in name:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = (node.value[part], node.value[part])
        if found is None:
            return line
        line, node = found[0].start_mark.line + 1, found[1]
    return line
