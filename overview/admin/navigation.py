"""The front page, the accounts and the audit list in the navigation."""

from functools import partial

from django.contrib.auth.models import Group, User

from project.audit.models import AuditEntry
from project.pages.navigation import Entry, add_entries

_entry = partial(Entry.of, section="Administration")

add_entries(
    Entry(section="", label="Home", url_name="index", order=0, permissions=(), icon="home"),
    _entry(User, label="Accounts", order=90, icon="settings", rows=User.objects.all),
    _entry(Group, label="Roles", order=91, rows=Group.objects.all),
    _entry(AuditEntry, label="Audit", order=92, icon="audit"),
)
