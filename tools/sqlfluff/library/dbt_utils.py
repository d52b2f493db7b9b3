"""dbt_utils, as sqlfluff's jinja templater sees it."""


def generate_surrogate_key(field_list: list[str]) -> str:
    return f"md5({' || '.join(field_list)})"
