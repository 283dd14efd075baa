"""What `celery -A resources.celery_worker worker` serves: `leadfactory serve worker` starts it."""

from resources.celery_runs import worker_app

app = worker_app()
