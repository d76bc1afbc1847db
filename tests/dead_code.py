"""What nobody calls or reads: `make lint` fails for it. Run as `python -m tests.dead_code`.

Of variables only the constants of modules are looked at: fields are declarations. What is called by
Django, argparse, RQ or a library by its name, or by a documented use in code, is named here.
"""

import ast
import sys
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from vulture import Vulture

from tests.rooms import ROOMS

SEARCHED = (*ROOMS, "manage.py")
KINDS = ("class", "function", "import", "method", "property", "unreachable_code")
# Called from outside by its name, and why.
EXCEPTIONS = {
    "*Config": "an app, found by Django",
    "Command": "a command, found by Django",
    "make_server": "named as text to granian",
    "Meta": "read by Django",
    "Media": "read by Django",
    "*Admin": "registered by a decorator",
    "*_view": "reached by a URL",
    "has_*_permission": "asked by Django's admin",
    "has_output": "asked by Django's list of filters",
    "lookups": "asked by Django's admin",
    "queryset": "asked by Django's admin",
    "get_*": "asked by Django's admin, or by its lists",
    "save_*": "called by Django's admin",
    "delete_*": "called by Django's admin",
    "to_python": "called by Django's forms",
    "clean_*": "called by Django's forms",
    "valid_value": "called by Django's forms",
    "optgroups": "called by Django's widgets",
    "build_attrs": "called by Django's widgets",
    "formfield_for_dbfield": "called by Django's admin",
    "_render_*": "chosen by the name of a report",
    "formatMessage": "called by logging",
    "formatException": "called by logging",
    "LineFormatter": "named in the settings",
    "Poison": "named in the settings",
    "process_exception": "called by Django for a middleware",
    "csrf_failure": "named in the settings",
    "permission_denied": "named in the routes",
    "page_not_found": "named in the routes",
    "server_error": "named in the routes",
    "bound_data": "called by Django's forms",
    "_get_obj_does_not_exist_redirect": "called by Django's admin",
    "parse_known_args": "called by argparse",
    "readinto": "called by io",
    "handle*": "called by Django or RQ",
    "add_arguments": "called by Django for a command",
    "ready": "called by Django for an app",
    "db_type": "called by Django for a field",
    "is_active": "called by Django's error pages",
    "SeedbedAdminSite": "named by its app",
    "setup_work_horse_signals": "called by RQ",
    "writable": "asked by zipfile",
    "revert_disabled": "asked by simple_history",
    "validate": "called by Django for a password",
    "prepare_value": "called by Django's forms",
    "restore": "called by RQ",
    "subscribe": "called by RQ",
    "check_for_suspension": "called by RQ",
    "formfield_for_manytomany": "called by Django's admin",
    "action_checkbox": "a column that Django's admin adds to its lists",
    "reset_user_attempts": "called by django-axes",
    "is_under_newest_key": "asked by tests of rotate_keys",
    "_execute": "called by RQ",
    "_show": "chosen by the name of an action",
    "_rollback": "chosen by the name of an action",
    "_export": "chosen by the name of an action",
    "_make": "chosen by the name of an action",
    "_revoke": "chosen by the name of an action",
    "response_*": "called by Django's admin",
    "parse_body": "called by django-ninja",
    "render_page": "called by django-ninja",
    "roc_auc": "the plain form of auc_of_counts, which holds it to the definition",
    "forget_loaded": "tests begin with nothing loaded",
    "collect_sources": "a documented use in code (docs/in-code.md)",
}


# Modules whose constants are found by what they are: settings and formats by Django, model kinds by
# the list of them.
FOUND = ("project/settings.py", "project/formats/*/formats.py", "training/kinds/*.py")


@cache
def named_by_path() -> frozenset[str]:
    """Return what the settings and the URLs name by its dotted path: middleware, handlers."""
    return frozenset(
        node.value.rpartition(".")[2]
        for file in ("project/settings.py", "project/urls.py")
        for node in ast.walk(ast.parse(Path(file).read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith(("project.", "serving."))
    )


@cache
def constants_of(file: Path) -> frozenset[str]:
    """Return the names in capitals that a module assigns for others to read."""
    if any(file.match(pattern) for pattern in FOUND):
        return frozenset()
    targets = [
        target
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    return frozenset(
        target.id for target in targets if isinstance(target, ast.Name) and target.id.isupper()
    )


def main() -> int:
    """Print what is dead; 1 when there is any."""
    finder = Vulture(ignore_decorators=["@*"])
    finder.scavenge(SEARCHED, exclude=["*/migrations/*"])
    dead = [
        item
        for item in finder.get_unused_code(min_confidence=60)
        if (item.typ in KINDS or str(item.name) in constants_of(Path(item.filename)))
        and item.name not in named_by_path()
        and not any(fnmatch(str(item.name), pattern) for pattern in EXCEPTIONS)
    ]
    for item in dead:
        print(f"{item.filename}:{item.first_lineno}: unused {item.typ} {item.name}")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())
