"""The pictures in docs/images: both dashboards of the demo's business, as `make demo` has just written them."""

from __future__ import annotations

from vend import settings
from vend.dashboard import picture
from vend.errors import VendError

SIZES = {"executive": (960, 1010), "garage": (960, 1090)}


def main() -> None:
    loaded = settings.load()
    pages, images = loaded.home / "dashboards", loaded.project / "docs" / "images"
    images.mkdir(exist_ok=True)
    for name, (width, height) in SIZES.items():
        page = max(pages.glob(f"{name}*.html"), key=lambda file: file.stat().st_mtime, default=None)
        if page is None:
            raise SystemExit(f"There is no page of the {name} in {pages}. Run `make demo` first.")
        image = images / f"{name}-dashboard.png"
        picture.take(page.read_text(encoding="utf-8"), image, width, height)
        print(f"{image.relative_to(loaded.project)}  {image.stat().st_size / 1000:.0f} kB  of {page.name}")


if __name__ == "__main__":
    try:
        main()
    except VendError as error:
        raise SystemExit(f"Error: {error}") from None
