# syntax=docker/dockerfile:1
# mattingkit serve: a user without rights, weights and compiled kernels inside, nothing fetched when it runs.
#
#   docker build -t mattingkit .
#   docker run --rm -p 127.0.0.1:7000:7000 --read-only --tmpfs /tmp mattingkit
#
# More weights: --build-arg WEIGHTS="u2net u2netp" (see: mattingkit weights list).

FROM python:3.12-slim-bookworm AS build
ARG WEIGHTS=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /source
COPY . .
# torch without CUDA, which would be some gigabytes more.
RUN python -m venv /opt/mattingkit \
    && /opt/mattingkit/bin/pip install --constraint constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu \
       ".[onnx,serve]"
ENV MATTINGKIT_HOME=/var/lib/mattingkit NUMBA_CACHE_DIR=/var/lib/mattingkit/kernels XDG_CACHE_HOME=/var/lib/mattingkit
# Compiled here, for a processor of any kind of this family, so that no start waits for it.
ENV NUMBA_CPU_NAME=generic
RUN mkdir -p /var/lib/mattingkit \
    && /opt/mattingkit/bin/mattingkit warm --quiet \
    && for name in ${WEIGHTS}; do /opt/mattingkit/bin/mattingkit weights fetch "${name}" || exit 1; done

FROM python:3.12-slim-bookworm
ENV PATH=/opt/mattingkit/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    MATTINGKIT_HOME=/var/lib/mattingkit NUMBA_CACHE_DIR=/var/lib/mattingkit/kernels XDG_CACHE_HOME=/var/lib/mattingkit \
    NUMBA_CPU_NAME=generic
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin mattingkit
COPY --from=build /opt/mattingkit /opt/mattingkit
COPY --from=build /var/lib/mattingkit /var/lib/mattingkit
USER 10001:10001
WORKDIR /tmp
EXPOSE 7000
# Everything may have to be read from a cold disk first.
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7000/health', timeout=4)"]
ENTRYPOINT ["mattingkit", "serve", "--host", "0.0.0.0"]
