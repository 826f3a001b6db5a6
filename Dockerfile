# One replica, or with other arguments any `epaxos` command. It needs no BuildKit.

FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# The packages bring what they need; nothing of theirs has to be run or compiled.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npx tsc --project tsconfig.build.json --declaration false --sourceMap false --incremental false --tsBuildInfoFile null \
  && npm prune --omit=dev --ignore-scripts

FROM node:20-bookworm-slim
# The young generation of the heap, and what goes back to the system: see docs/operations.md.
ENV NODE_ENV=production \
  NODE_OPTIONS=--max-semi-space-size=32 \
  MALLOC_TRIM_THRESHOLD_=131072 \
  EPAXOS_DATA_DIR=/data \
  EPAXOS_LISTEN=0.0.0.0:7000
WORKDIR /app
RUN mkdir /data && chown node:node /data
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json ./
COPY bin bin
COPY proto proto
COPY deploy/container/health-check.js ./
# The lists of replicas that docker-compose.yml chooses from.
COPY deploy/compose /etc/epaxos
USER node
VOLUME /data
EXPOSE 7000
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["node", "/app/health-check.js"]
# Not through a shell: SIGTERM has to reach the server, which then finishes what clients wait for.
ENTRYPOINT ["node", "/app/bin/epaxos.js"]
CMD ["server"]
