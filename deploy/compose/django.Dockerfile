# The demo project under Daphne, for compose.yml. Use your own image for your own project.
FROM python:3.12.10-slim-bookworm
WORKDIR /srv
COPY tests/django/requirements.txt /srv/
COPY clients/django /opt/channelgate
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt /opt/channelgate \
    && useradd --uid 65532 --no-create-home demo && mkdir /data && chown 65532:65532 /data
COPY tests/django /srv/
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DJANGO_SETTINGS_MODULE=demo.settings
USER 65532:65532
EXPOSE 8000
CMD ["sh", "-c", "python manage.py migrate --verbosity 0 && python manage.py make_people && exec python -m daphne -b 0.0.0.0 -p 8000 demo.asgi:application"]
