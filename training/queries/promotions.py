"""The history of what was live."""

from training.models import Promotion


def line_of_champions(kind: str) -> list[int]:
    """Return the ids of the champions in the order they went live, without those rolled back."""
    line: list[int] = []
    for action, model in (
        Promotion.objects.filter(kind=kind).order_by("id").values_list("action", "model_id")
    ):
        if action == Promotion.Action.PROMOTE:
            line.append(model)
        else:
            line.pop()
    return line
