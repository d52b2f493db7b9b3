"""The YAML files that people edit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vend.errors import UsageError


def read(path: Path) -> Any:
    """What the file holds. Raises UsageError, in a sentence, where it cannot be read or is no YAML."""
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}). Restore it from the repository.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise UsageError(f"{path.name}{place}: this is no YAML. Mend it there.") from None
