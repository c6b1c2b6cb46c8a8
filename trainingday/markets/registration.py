"""What the markets app hands to others at start-up: history of its rows."""

from auditlog.registry import auditlog

from trainingday.markets.models import ImportProfile, Market, TestWindow

auditlog.register(Market)
auditlog.register(TestWindow)
auditlog.register(ImportProfile)
