# The exporter in an image of its own: one process, no root, nothing to write but its ledger.
#   docker build --build-arg REVISION="$(git rev-parse HEAD)" -t presto-query-exporter .
#   docker run --read-only -v ledger:/var/lib/presto-query-exporter -p 9483:9483 presto-query-exporter \
#     run --coordinator http://monitor@coordinator:8080
# Its default command reads /etc/presto-query-exporter/config.yml.

# the Python that every test runs with
ARG PYTHON=docker.io/library/python:3.11.13-slim-bookworm

# hadolint ignore=DL3006
FROM ${PYTHON} AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY exporter ./exporter
ARG REVISION=unknown
# The environment gets no pip: nothing is installed in it later.
RUN sed -i "s/^__revision__ = .*/__revision__ = \"${REVISION}\"/" exporter/__init__.py \
    && python3 -m venv --without-pip /opt/presto-query-exporter \
    && python3 -m pip --python /opt/presto-query-exporter/bin/python install \
        --no-cache-dir --disable-pip-version-check --compile -c constraints.txt '.[oauth2]' \
    && mkdir /ledger

# hadolint ignore=DL3006
FROM ${PYTHON}
ARG REVISION=unknown
ARG VERSION=unknown
LABEL org.opencontainers.image.title="presto-query-exporter" \
      org.opencontainers.image.description="Counts every query of PrestoSQL, Trino and PrestoDB once, per user, for Prometheus" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/presto-query-exporter /opt/presto-query-exporter
COPY deploy/image/is_healthy.py /opt/presto-query-exporter/is_healthy.py
COPY --from=build --chown=10001:10001 /ledger /var/lib/presto-query-exporter
ENV PATH=/opt/presto-query-exporter/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# By number: an orchestrator that forbids root can see that it is not.
USER 10001:10001
# The ledger's default path is relative, so it is on the volume.
WORKDIR /var/lib/presto-query-exporter
VOLUME /var/lib/presto-query-exporter
EXPOSE 9483
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python3", "/opt/presto-query-exporter/is_healthy.py"]
ENTRYPOINT ["presto-query-exporter"]
CMD ["run", "--config.file", "/etc/presto-query-exporter/config.yml"]
