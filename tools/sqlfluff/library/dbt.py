"""dbt's cross-database macros, as sqlfluff's jinja templater sees them."""


def datediff(first: str, second: str, part: str) -> str:
    return f"datediff('{part}', {first}, {second})"


def dateadd(part: str, interval: object, value: str) -> str:
    return f"dateadd('{part}', {interval}, {value})"


def last_day(value: str, part: str) -> str:
    return f"last_day({value})"


def position(needle: str, text: str) -> str:
    return f"strpos({text}, {needle})"


def split_part(text: str, delimiter: str, part: int) -> str:
    return f"split_part({text}, {delimiter}, {part})"
