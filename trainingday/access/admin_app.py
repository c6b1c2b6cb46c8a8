from django.contrib.admin import apps


class AdminConfig(apps.AdminConfig):
    """Django's admin, opened to the role admin: whoever else is called staff stays out."""

    default_site = "trainingday.access.site.RoleAdminSite"
