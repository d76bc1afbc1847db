"""The admin pages of jobs and schedules."""

from django.contrib import admin

from project.jobs.models import Job, Schedule

admin.site.register(Job)
admin.site.register(Schedule)
