from trainingday.runs.models import Run, TrainingSchedule, Trigger


def start_scheduled_session(schedule: TrainingSchedule, trigger: Trigger) -> Run:
    raise NotImplementedError
