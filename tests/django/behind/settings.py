"""Settings; what a run writes is in RUN_DIR."""

import os
from pathlib import Path

RUN_DIR = Path(os.environ["RUN_DIR"])
SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
INSTALLED_APPS = ["django.contrib.staticfiles", "channels", "behind"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
ROOT_URLCONF = "behind.urls"
ASGI_APPLICATION = "behind.asgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
STATIC_URL = "/static/"
DATABASES = {}
USE_TZ = True
# A body is read as a stream; nothing of it is kept.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
