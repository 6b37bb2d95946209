"""Whether this machine runs on its battery, in words."""

from __future__ import annotations

import psutil

from edgekit_tui.i18n import _, percent


def on_battery() -> str:
    """A fact for a line of facts; empty while the machine is plugged in, or has no battery."""
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    if battery is None or battery.power_plugged:
        return ""
    return _("on battery, {share}").format(share=percent(battery.percent / 100))
