"""The roles that come with Seedbed, and the groups that they are kept in."""

from django.contrib.auth.models import Group
from django.db import models


class Role(models.Model):
    """A group that Seedbed made: a later release knows it by this row, whatever it is called now.

    Where the group is deleted this row goes with it, and the role is not made again.
    """

    name = models.CharField(max_length=40, unique=True)
    group = models.OneToOneField(Group, on_delete=models.CASCADE, related_name="+")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
