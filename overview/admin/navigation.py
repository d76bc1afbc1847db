"""The front page, the accounts and the audit list in the navigation."""

from django.contrib.auth.models import Group, User

from project.pages.navigation import Entry, add_entries

add_entries(
    Entry(section="", label="Home", url_name="index", order=0, permissions=(), icon="home"),
    Entry(
        section="Administration",
        label="Accounts",
        url_name="auth_user_changelist",
        order=90,
        permissions=("auth.view_user", "auth.change_user"),
        icon="settings",
        rows=User.objects.all,
    ),
    Entry(
        section="Administration",
        label="Roles",
        url_name="auth_group_changelist",
        order=91,
        permissions=("auth.view_group", "auth.change_group"),
        rows=Group.objects.all,
    ),
    Entry(
        section="Administration",
        label="Audit",
        url_name="audit_auditentry_changelist",
        order=92,
        permissions=("audit.view_auditentry",),
        icon="audit",
    ),
)
