// `npm run test:compose`: docker-compose.yml comes up for real, keeps its history, and goes down; one line a step, a count last.
// `-- --kill`: each service is killed under load on the way; `-- --kill=s3,store`: these are.
// Specification: docs/compose.md. test/compose/override.yml names what stands in for MinIO and the rest.
// Owns the project `mnemo-test` with its volumes: made at the start, deleted at the end.
import { ClusterQueries, type History, sameAnswer } from './cluster-queries.ts'
import { ComposeProject, dockerApi, whyNoDocker } from './docker.ts'
import { QueryLoad } from './query-load.ts'
import { Steps } from './steps.ts'

const killable = ['sidecar-a', 'prometheus-a', 'store', 's3', 'compactor', 'query']

const targets = 8
const ports = { GRAFANA_PORT: '23000', QUERY_PORT: '20902', PROMETHEUS_A_PORT: '29090', PROMETHEUS_B_PORT: '29091' }
const blockMs = 60_000
const services = [
  'node-exporter',
  'prometheus-a',
  'prometheus-b',
  's3',
  'sidecar-a',
  'sidecar-b',
  'store',
  'query',
  'compactor',
]

const project = new ComposeProject('mnemo-test', {
  ...ports,
  BLOCK_DURATION: `${blockMs / 1000}s`,
  COMPOSE_HTTP_TIMEOUT: '300',
})
const cluster = new ClusterQueries(`http://127.0.0.1:${ports.QUERY_PORT}`)
const steps = new Steps()

const whyNot = await whyNoDocker()
if (whyNot) console.log(whyNot)
else await testCluster()
console.log(steps.summary())
process.exit(steps.failed > 0 ? 1 : 0)

async function testCluster(): Promise<void> {
  try {
    await project.run('down', '-v', '--remove-orphans')
    if (!(await steps.step('images built from the checkout', buildImages))) return
    await steps.step('the image is small, without what builds', describeImage)
    if (!(await steps.step('up: every service healthy', comeUp))) return
    await steps.step('every service as nobody, on a root that cannot be written', checkUser)
    if (!(await steps.step(`up once for each of ${targets} targets through the published port`, askUp))) return
    await steps.step('blocks of both replicas in the bucket', blocksShipped)
    const kept = await steps.value('the store answers for them with both Prometheus stopped', storeAlone)
    await steps.step('the one-shot compactor beside the waiting one ends with 0', compactOnce)
    await steps.step('a wrong flag ends the one-shot with 2', compactWrong)
    const kill = process.argv.find((arg) => /^--kill(=|$)/.test(arg))
    if (kept && kill !== undefined) await killEach(kept, kill.split('=')[1]?.split(',') ?? killable)
    await steps.step('down, within seconds', goDown)
    await steps.step('up again: every service healthy', comeUp)
    if (kept) await steps.step('the same history', () => cluster.expectSame(kept))
    await steps.step(`up once for each of ${targets} targets again`, askUp)
  } finally {
    await project.run('down', '-v', '-t', '5', '--remove-orphans')
  }
}

async function buildImages(): Promise<string> {
  await project.must('build')
  return ''
}

async function describeImage(): Promise<string> {
  const { body } = await dockerApi('/images/mnemo:local/json')
  const base = JSON.parse((await dockerApi('/images/debian:bookworm-slim/json')).body) as { Size: number }
  const ours = (JSON.parse(body) as { Size: number }).Size - base.Size
  const mega = (bytes: number) => `${Math.round(bytes / 1e6)} MB`
  const list = `
    echo "$(dpkg-query -W | wc -l) Debian packages,"
    echo "$(find /mnemo/node_modules -name package.json -not -path '*/dist*' | wc -l) npm packages"
    for tool in npm gcc g++ make python3 asc tsc; do ! command -v $tool || exit 1; done
    ! ls -d /mnemo/node_modules/node-linux-* /mnemo/node_modules/typescript /mnemo/node_modules/assemblyscript 2>/dev/null`
  const counted = await project.must('run', '--rm', '-T', '--no-deps', '--entrypoint', 'sh', 'bucket', '-c', list)
  if (ours > 200e6) throw new Error(`got ${mega(ours)} above its base, want at most 200 MB`)
  return `${mega(ours)} above a base of ${mega(base.Size)}, ${counted.trim().split(/\s+/).join(' ')}`
}

async function comeUp(): Promise<string> {
  const startedMs = Date.now()
  await project.must('up', '-d')
  const deadlineMs = Date.now() + 180_000
  for (;;) {
    const containers = await project.containers()
    const waiting = services.filter((service) => {
      const container = containers.find((one) => one.service === service)
      return service === 'node-exporter' ? !container?.running : container?.health !== 'healthy'
    })
    if (waiting.length === 0) return `${services.length} services after ${seconds(startedMs)}`
    if (Date.now() > deadlineMs) throw new Error(`not healthy: ${waiting.join(', ')}`)
    await pause(1_000)
  }
}

async function checkUser(): Promise<string> {
  for (const service of services.filter((name) => /^(sidecar|store|query|compactor)/.test(name))) {
    const script = 'id -u; touch /mnemo/x 2>/dev/null && echo written; tr "\\0" " " </proc/1/cmdline'
    const answer = await project.must('exec', '-T', service, 'sh', '-c', script)
    if (!/^65534\s+(\/\S+\/)?node /.test(answer))
      throw new Error(`${service}: got ${answer}, want uid 65534 and node as process 1`)
  }
  return ''
}

async function askUp(): Promise<string> {
  const alive = await cluster.until(90_000, 'up', async () => {
    const [once, all] = await Promise.all([cluster.instant('up'), cluster.instant('up', '&dedup=false')])
    const down = once.filter(({ value }) => value[1] !== '1').map(({ metric }) => metric.instance)
    if (once.length === targets && all.length === 2 * targets && down.length === 0) return { once, all }
    return `got ${once.length} series, ${all.length} without deduplication, down: ${down.join(', ') || 'none'}`
  })
  return `${alive.all.length} without deduplication`
}

interface Block {
  readonly replica: string
  readonly fromMs: number
  readonly untilMs: number
}

async function listBlocks(): Promise<Block[]> {
  const objstore = '--objstore.config-file=/etc/mnemo/bucket.yml'
  const ls = ['tools', 'bucket', 'ls', '--output=wide', objstore]
  const text = await project.must('run', '--rm', '-T', '--no-deps', 'compact', ...ls)
  const lines = text.matchAll(/^\w{26} -- (\S+) - (\S+) .*replica="?(\w+)/gm)
  return [...lines].map(([, from, until, replica]) => ({
    replica: replica!,
    fromMs: Date.parse(from!),
    untilMs: Date.parse(until!),
  }))
}

async function blocksShipped(): Promise<string> {
  const blocks = await cluster.until(360_000, 'blocks', async () => {
    const found = await listBlocks()
    const enough = ['a', 'b'].every((replica) => found.filter((block) => block.replica === replica).length >= 2)
    if (enough) return found
    await pause(5_000)
    return `got ${found.length} blocks, want two of each replica`
  })
  return `${blocks.length} blocks`
}

/** What both replicas have shipped, asked before and after both are stopped; returns it for later. */
async function storeAlone() {
  const blocks = await listBlocks()
  const of = (replica: string) => blocks.filter((block) => block.replica === replica)
  const fromMs = Math.max(...['a', 'b'].map((name) => Math.min(...of(name).map((block) => block.fromMs))))
  const untilMs = Math.min(...['a', 'b'].map((name) => Math.max(...of(name).map((block) => block.untilMs)))) - 1
  const before = await cluster.history('up', fromMs, untilMs)
  if (before.series.length !== targets) throw new Error(`got ${before.series.length} series of up, want ${targets}`)
  await project.must('stop', 'prometheus-a', 'prometheus-b')
  try {
    const after = await cluster.until(120_000, 'the store', async () => {
      const answer = await cluster.history('up', fromMs, untilMs)
      return sameAnswer(before, answer)
        ? answer
        : `got ${answer.series.length} series, ${answer.points} points, want ${before.points}`
    })
    const length = Math.round((untilMs - fromMs) / 1000)
    return { value: before, note: `${after.series.length} series, ${after.points} points over ${length} s` }
  } finally {
    await project.must('start', 'prometheus-a', 'prometheus-b')
  }
}

async function compactOnce(): Promise<string> {
  await project.must('run', '--rm', '-T', 'compact')
  return ''
}

async function compactWrong(): Promise<string> {
  const { status } = await project.run('run', '--rm', '-T', '--no-deps', 'compact', 'compact', '--no-such-flag')
  if (status !== 2) throw new Error(`got exit status ${status}, want 2`)
  return ''
}

/** Kills one service after the other under load: what its users saw, before it was healthy again and ten seconds after. */
async function killEach(kept: History, services: readonly string[]): Promise<void> {
  const load = new QueryLoad(cluster, kept)
  try {
    for (const service of services) {
      await pause(3_000)
      load.take()
      await steps.step(`${service} killed under load: nothing wrong without a word`, async () => {
        await project.must('kill', '-s', 'SIGKILL', service)
        await pause(10_000)
        await comeUp()
        await pause(10_000)
        const seen = load.take()
        for (const text of seen.texts) console.log(`      ${text}`)
        if (seen.wrong > 0) throw new Error(`${seen.wrong} of ${seen.queries} answers were wrong without a warning`)
        const gap = `longest time without a whole answer ${(seen.longestGapMs / 1000).toFixed(1)} s`
        const said = `${seen.rightWithWarning} right with a warning, ${seen.partWithWarning} in part with a warning`
        return `${seen.queries} queries: ${seen.right} right, ${said}, ${seen.errors} errors; ${gap}`
      })
    }
  } finally {
    await load.stop()
  }
}

async function goDown(): Promise<string> {
  const startedMs = Date.now()
  await project.must('down')
  const left = await project.containers()
  if (left.length > 0) throw new Error(`left: ${left.map(({ service }) => service).join(', ')}`)
  const tookMs = Date.now() - startedMs
  if (tookMs > 60_000) throw new Error(`took ${seconds(startedMs)}`)
  return `after ${seconds(startedMs)}`
}

function seconds(sinceMs: number): string {
  return `${((Date.now() - sinceMs) / 1000).toFixed(1)} s`
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
