# syntax=docker/dockerfile:1
# The image of the controller: wheels by hash from requirements.lock in the first stage, nothing but Python and them in the second.
FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY requirements.lock ./
RUN ["python", "-m", "venv", "/opt/karpenter-ovhcloud"]
RUN ["/opt/karpenter-ovhcloud/bin/python", "-m", "pip", "install", "--require-hashes", "--only-binary", ":all:", "-r", "requirements.lock"]
COPY pyproject.toml README.md LICENSE ./
COPY catalog/ catalog/
COPY crds/ crds/
COPY solver/ solver/
COPY controller/ controller/
RUN ["/opt/karpenter-ovhcloud/bin/python", "-m", "pip", "install", "--no-deps", "--no-build-isolation", "."]

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="karpenter-ovhcloud" \
      org.opencontainers.image.description="Node autoscaling for OVHcloud Managed Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/karpenter-ovhcloud/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=build /opt/karpenter-ovhcloud /opt/karpenter-ovhcloud
USER 65532:65532
EXPOSE 8080 8081
ENTRYPOINT ["karpenter-ovhcloud"]
CMD ["controller"]
