"""What pyproject.toml has no word for: folders beside the packages that belong into a wheel."""

from setuptools import find_packages, setup

#: As data of a package of ours, since `templates` and `docs` are nobody's names in site-packages.
DATA = {"telemetry_site.templates": "templates", "telemetry_site.docs": "docs"}

setup(
    packages=[
        *find_packages(include=["telemetry_site*", "meters*", "alarms*", "pollers*"]),
        *DATA,
    ],
    package_dir=DATA,
    package_data={"": ["**/*.yaml"], **{name: ["**/*"] for name in DATA}},
)
