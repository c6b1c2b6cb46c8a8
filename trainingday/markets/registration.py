"""What the markets app hands to others at start-up: history of its rows."""

from auditlog.registry import auditlog

from trainingday.markets.models import Market, TestWindow

auditlog.register(Market)
auditlog.register(TestWindow)
