// The cluster of docker-compose.yml, container by container: `npm run test:containers`, where a Docker can be reached.
// The scenario of `npm run test:compose` by testcontainers, which gives each run a network and ports of its own.
// Owns its containers, network and volumes: ended in reverse order.
import { randomUUID } from 'node:crypto'
import { GenericContainer, getContainerRuntimeClient, Network, type StartedTestContainer, Wait } from 'testcontainers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ClusterQueries, type History, sameAnswer } from '../compose/cluster-queries.ts'
import { root, whyNoDocker } from '../compose/docker.ts'

const whyNot = await whyNoDocker()
if (whyNot) console.log(whyNot)

const targets = 8
const keys = { AWS_ACCESS_KEY_ID: 'mnemo', AWS_SECRET_ACCESS_KEY: 'mnemo-secret' }
const bucketFile = '/etc/mnemo/bucket.yml'
const objstore = `--objstore.config-file=${bucketFile}`
const config = (name: string) => `${root}deploy/compose/${name}`

describe.skipIf(whyNot)('a cluster of containers', () => {
  const started: StartedTestContainer[] = []
  const volumes: string[] = []
  const prometheus: StartedTestContainer[] = []
  let network: Awaited<ReturnType<Network['start']>>
  let cluster: ClusterQueries
  let image: string

  async function start(container: GenericContainer, alias: string): Promise<StartedTestContainer> {
    const one = await container.withNetwork(network).withNetworkAliases(alias).withStartupTimeout(120_000).start()
    started.push(one)
    return one
  }

  // Podman counts what an image exposes among the ports to be bound, and testcontainers waits for those: so all are.
  function mnemo(...command: string[]): GenericContainer {
    return new GenericContainer(image)
      .withExposedPorts(10901, 10902)
      .withCommand(command)
      .withEnvironment(keys)
      .withTmpFs({ '/tmp': 'rw' })
      .withCopyFilesToContainer([{ source: config('bucket.yml'), target: bucketFile, mode: 0o644 }])
  }

  async function startReplica(replica: 'a' | 'b'): Promise<void> {
    const volume = `mnemo-test-${replica}-${randomUUID().slice(0, 8)}`
    volumes.push(volume)
    const data = { source: volume, target: '/prometheus' }
    const server = new GenericContainer(process.env.PROMETHEUS_IMAGE ?? 'prom/prometheus:latest')
      .withCommand([
        '--config.file=/etc/prometheus/prometheus.yml',
        '--storage.tsdb.path=/prometheus',
        '--storage.tsdb.min-block-duration=1m',
        '--storage.tsdb.max-block-duration=1m',
      ])
      .withBindMounts([data])
      .withCopyFilesToContainer([
        { source: config(`prometheus-${replica}.yml`), target: '/etc/prometheus/prometheus.yml', mode: 0o644 },
        { source: config('targets.yml'), target: '/etc/prometheus/targets.yml', mode: 0o644 },
      ])
      .withExposedPorts(9090)
      .withWaitStrategy(Wait.forHttp('/-/ready', 9090))
    prometheus.push(await start(server, `prometheus-${replica}`))
    const url = `--prometheus.url=http://prometheus-${replica}:9090`
    const sidecar = mnemo('sidecar', url, '--tsdb.path=/prometheus', objstore).withBindMounts([data])
    await start(sidecar.withWaitStrategy(Wait.forHealthCheck()), `sidecar-${replica}`)
  }

  beforeAll(async () => {
    image = `mnemo:testcontainers-${randomUUID().slice(0, 8)}`
    const [, gateway, exporter] = await Promise.all([
      GenericContainer.fromDockerfile(root).build(image, { deleteOnExit: true }),
      GenericContainer.fromDockerfile(`${root}test/compose/ceph`).build(),
      GenericContainer.fromDockerfile(`${root}test/compose/node-exporter`).build(),
    ])
    network = await new Network().start()
    await start(
      gateway
        .withEnvironment(keys)
        .withExposedPorts(9000)
        .withWaitStrategy(Wait.forLogMessage(/^ready/)),
      's3',
    )
    await start(exporter.withExposedPorts(9100), 'node-exporter')
    // It stays after its work: a container that has ended has no ports, for which testcontainers waits.
    const makeBucket = 'node /mnemo/scripts/make-bucket.mjs http://s3:9000 mnemo && exec sleep 3600'
    const bucket = mnemo('-c', makeBucket).withEntrypoint(['sh'])
    await start(bucket.withWaitStrategy(Wait.forLogMessage(/bucket mnemo/)), 'bucket')
    await Promise.all([startReplica('a'), startReplica('b')])
    const ready = Wait.forHealthCheck()
    await Promise.all([
      start(mnemo('store', '--sync-block-duration=5s', objstore).withWaitStrategy(ready), 'store'),
      start(mnemo('compact', '--wait', objstore).withWaitStrategy(ready), 'compactor'),
    ])
    const endpoints = ['sidecar-a', 'sidecar-b', 'store'].map((name) => `--endpoint=${name}:10901`)
    const querier = mnemo('query', '--query.replica-label=replica', ...endpoints)
    const front = await start(querier.withWaitStrategy(ready), 'query')
    cluster = new ClusterQueries(`http://${front.getHost()}:${front.getMappedPort(10902)}`)
  })

  afterAll(async () => {
    for (const container of started.reverse()) await container.stop({ timeout: 5_000 })
    await network?.stop()
    const { container } = await getContainerRuntimeClient()
    for (const volume of volumes) await container.dockerode.getVolume(volume).remove()
  })

  test('up, once for each target', async () => {
    await cluster.until(90_000, 'up', async () => {
      const series = await cluster.instant('up')
      const alive = series.filter(({ value }) => value[1] === '1').length
      const all = await cluster.instant('up', '&dedup=false')
      if (alive === targets && series.length === targets && all.length === 2 * targets) return series
      return `got ${alive} of ${series.length} series up, ${all.length} without deduplication`
    })
  })

  test('the store answers for what was shipped, with both Prometheus stopped', async () => {
    await cluster.until(360_000, 'blocks in the store', async () => {
      const [loaded] = await cluster.instant('thanos_bucket_store_blocks_loaded')
      return Number(loaded?.value[1]) >= 4 ? loaded! : `got ${loaded?.value[1]} blocks, want 4`
    })
    const [newest] = await cluster.instant('min(prometheus_tsdb_head_min_time_seconds)')
    const [oldest] = await cluster.instant('max(prometheus_tsdb_lowest_timestamp_seconds)')
    const fromMs = 1000 * Math.ceil(Number(oldest!.value[1]))
    const untilMs = 1000 * Math.floor(Number(newest!.value[1]))
    const before = await cluster.history('up', fromMs, untilMs)
    expect(before.series).toHaveLength(targets)
    for (const server of prometheus) {
      started.splice(started.indexOf(server), 1)
      await server.stop({ timeout: 5_000 })
    }
    const same = async (): Promise<History | string> => {
      const after = await cluster.history('up', fromMs, untilMs)
      return sameAnswer(before, after) ? after : `got ${after.points} points, want ${before.points}`
    }
    expect((await cluster.until(60_000, 'the same history', same)).points).toBeGreaterThan(targets)
  })
})
