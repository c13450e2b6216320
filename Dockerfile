# One image for all services: `docker run mnemo <service> [--flag=value …]`.
# Built from package-lock.json; the last stage has Debian's base, Node.js, our bundle and the dependencies, nothing that builds.
# Runs as nobody (65534), as Prometheus's image does, so that a sidecar may share its volume; needs no writable root, only
# /var/lib/mnemo (and /tmp for some tools). Its modules are compiled for that user; any other one compiles them at each start.
ARG NODE_IMAGE=node:24-bookworm-slim
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /mnemo
COPY package.json package-lock.json .npmrc ./
COPY scripts/bootstrap.mjs scripts/bundle.mjs scripts/load.cjs scripts/node.mjs scripts/
COPY proto proto
COPY lib lib
COPY services services
# The image has its own Node.js: the one among the dependencies stays out, as do compilers, types and source maps.
RUN node scripts/bootstrap.mjs \
  && npm prune --omit=dev --no-audit --no-fund \
  && rm -rf node_modules/node-linux-* node_modules/@types node_modules/.package-lock.json \
  && find node_modules -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' -o -name '*.md' \) -delete \
  && find node_modules -depth -type d -empty -delete \
  && rm build/.[!.]*

FROM ${BASE_IMAGE}
COPY --from=build /usr/local/bin/node /usr/local/bin/node
WORKDIR /mnemo
COPY --from=build /mnemo/node_modules node_modules
COPY --from=build /mnemo/build build
COPY --from=build /mnemo/proto proto
COPY package.json LICENSE ./
COPY bin bin
COPY scripts/make-bucket.mjs scripts/
COPY deploy/docker/healthcheck /usr/local/bin/healthcheck
RUN ln -s /mnemo/bin/mnemo /usr/local/bin/mnemo \
  && mkdir /var/lib/mnemo /mnemo/compiled \
  && chown 65534:65534 /var/lib/mnemo /mnemo/compiled
ENV NODE_COMPILE_CACHE=/mnemo/compiled
USER 65534:65534
RUN mnemo compile
WORKDIR /var/lib/mnemo
EXPOSE 10901 10902
# Where --http-address is not the default, say so: -e HEALTH_PORT=…
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s CMD ["healthcheck"]
ENTRYPOINT ["mnemo"]
CMD ["--help"]
