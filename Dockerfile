# syntax=docker/dockerfile:1
# One image for every part: `celery -A workers worker`, `celery -A beat beat`, `celery -A workers flower`, `gitops web`.
ARG PYTHON=3.13
ARG GO=1.26

# The warm kustomize renderer, six times faster than kubectl's.
FROM golang:${GO} AS kustomize
WORKDIR /src
COPY gitops/source/gokustomize/go.mod gitops/source/gokustomize/go.sum ./
RUN go mod download
COPY gitops/source/gokustomize ./
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /gitops-kustomize .

FROM python:${PYTHON}-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
RUN python -m venv /opt/gitops
# What changes seldom comes first: the dependencies are a layer of their own.
COPY pyproject.toml README.md constraints.txt ./
COPY gitops/__init__.py gitops/__init__.py
RUN /opt/gitops/bin/pip install --constraint constraints.txt '.[trace]'
COPY gitops gitops
COPY workers workers
COPY beat beat
RUN /opt/gitops/bin/pip install --no-deps --force-reinstall . \
 && /opt/gitops/bin/pip uninstall --yes pip

FROM python:${PYTHON}-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git gpg openssh-client tini \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 65532 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin gitops \
 && install -d -o gitops -g gitops /data
COPY --from=build /opt/gitops /opt/gitops
COPY --from=kustomize /gitops-kustomize /opt/gitops/bin/gitops-kustomize
ENV PATH=/opt/gitops/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    # Fewer arenas: threads of a worker give their memory back.
    MALLOC_ARENA_MAX=2 \
    GITOPS_DATA_DIR=/data
USER 65532:65532
WORKDIR /tmp
# tini reaps what git leaves behind and hands on SIGTERM, which Celery takes as a warm shutdown.
ENTRYPOINT ["tini", "--"]
CMD ["gitops", "--help"]
