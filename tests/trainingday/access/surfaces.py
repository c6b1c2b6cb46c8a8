"""What every address of the product is, for the matrix of roles: a new address has to be listed here.

Each line reads: who may do what there (RELIABILITY.md, "Web"), and the names of the addresses.
"""

PAGE = "page"  # signed-in people read it
FORM = "form"  # operators open it and send it
OPERATE = "operate"  # operators send to it, nobody opens it
ADMINISTER = "administer"  # admins send to it, nobody opens it
OWN = "own"  # one's own things only
API_READ = "api read"
API_OPERATE = "api operate"  # a list or thing to read, to which operators may POST
API_ACT = "api act"  # operators POST to it, nobody reads it
API_ADMINISTER = "api administer"  # a thing to read, to which admins may write
API_ADMIN_ACT = "api admin act"  # admins POST to it, nobody reads it
API_ANALYSE = "api analyse"  # a POST that computes and stores nothing: operators
EXPORT = "export"  # operators fetch a file, nobody sends to it
API_EXPORT = "api export"
OPEN = "open"  # no account needed
METRICS = "metrics"  # off unless set up: tests/trainingday/runs/test_metrics.py turns them on

NAMES = {
    OPEN: "favicon.ico login logout runs:healthz runs:readyz",
    METRICS: "runs:metrics",
    PAGE: (
        "home audit tokens downloads:list downloads:detail markets:list markets:detail "
        "markets:candles runs:workers runs:schedules patterns:list patterns:detail patterns:scan "
        "markets:profiles "
        "strategies:pattern-backtest strategies:pattern-signal "
        "strategies:genealogy-csv strategies:genealogy-json strategies:leaderboard-csv strategies:leaderboard-json "
        "strategies:list strategies:strategy strategies:tournaments strategies:tournament strategies:genealogy strategies:backtest "
        "strategies:backtest-csv strategies:champions strategies:champion sessions:list sessions:detail "
        "sessions:report sessions:report-json sessions:replay sessions:models sessions:model sessions:evidence sessions:compare sessions:position sessions:reports sessions:written-reports sessions:written-report sessions:settings sessions:honesty"
    ),
    FORM: "markets:import patterns:start strategies:start sessions:start sessions:upload-model downloads:start",
    OPERATE: "patterns:retire markets:save-profile markets:change-profile strategies:freeze-patterns runs:cancel downloads:refresh sessions:clone sessions:resume sessions:start-replay sessions:verify-model",
    ADMINISTER: "strategies:promote sessions:change-market runs:run-schedule runs:pause-schedule strategies:roll-back sessions:promote-model sessions:reject-model sessions:roll-back-model",
    OWN: "revoke-token",
    API_READ: (
        "schema api-docs api-audit-list api-audit-detail markets:api-market-list markets:api-market-detail "
        "markets:api-dataset-detail runs:api-runs runs:api-run runs:api-run-events runs:api-workers "
        "downloads:api-download-detail patterns:api-pattern-scan-detail patterns:api-pattern-list "
        "patterns:api-pattern-detail patterns:api-pattern-backtest patterns:api-sighting-list "
        "patterns:api-sighting-detail strategies:api-signals strategies:api-tournament-detail "
        "strategies:api-tournament-genealogy strategies:api-strategy-list strategies:api-strategy-detail "
        "strategies:api-performance-list strategies:api-performance-detail strategies:api-look-list "
        "strategies:api-look-detail "
        "sessions:api-session-detail sessions:api-replay-list sessions:api-replay-detail "
        "sessions:api-trial-list sessions:api-trial-detail "
        "strategies:api-forward-record-bars strategies:api-forward-record-detail "
        "strategies:api-forward-record-list sessions:api-honesty-list sessions:api-honesty-detail sessions:api-compare sessions:api-reports sessions:api-written-report-list sessions:api-written-report-detail"
    ),
    API_OPERATE: (
        "markets:api-import-profile-list markets:api-import-profile-detail "
        "markets:api-dataset-list downloads:api-download-list patterns:api-pattern-scan-list "
        "strategies:api-tournament-list sessions:api-session-list sessions:api-model-list"
    ),
    API_ACT: (
        "patterns:api-pattern-retire runs:api-run-cancel markets:api-dataset-preview "
        "sessions:api-session-clone sessions:api-session-replay sessions:api-session-resume sessions:api-model-verify "
        "sessions:real-session"
    ),
    API_ADMIN_ACT: (
        "strategies:api-strategy-promote strategies:api-champion-retire strategies:api-champion-roll-back "
        "sessions:api-model-promote sessions:api-model-reject sessions:api-model-roll-back"
    ),
    API_ADMINISTER: "runs:api-schedules strategies:api-champion-list strategies:api-champion-detail sessions:api-model-detail",
    EXPORT: "markets:bars-csv markets:bars-parquet sessions:export-model",
    API_EXPORT: "markets:api-bars-csv markets:api-bars-parquet sessions:api-model-export",
    API_ANALYSE: (
        "strategies:api-backtests strategies:api-backtest-equity strategies:api-backtest-trades "
        "strategies:api-backtest-equity-parquet strategies:api-backtest-trades-parquet"
    ),
}
SURFACE_OF = {name: surface for surface, names in NAMES.items() for name in names.split()}
# What is asked for may rightly be missing or unfit here: a parameter, a row that another role has deleted, bars.
MAY_BE_MISSING = {
    "markets:api-bars-csv",
    "markets:api-bars-parquet",
    "strategies:backtest-csv",
    "strategies:api-signals",
    "strategies:pattern-backtest",
    "patterns:api-pattern-backtest",
    "markets:api-import-profile-detail",
    "sessions:compare",
    "sessions:api-compare",
}
