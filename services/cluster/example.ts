// The example that the cluster shows once it runs: one query with its answer, replicas deduplicated and not.
// Owns the query and its print; it asks over HTTP as anyone would.
import { MnemoError } from '../../lib/kit/errors.ts'

interface Answer {
  readonly status: string
  readonly data?: { readonly result: { readonly metric: Record<string, string>; readonly value: [number, string] }[] }
  readonly error?: string
  readonly warnings?: string[]
}

const query = 'up'
const triesMs = 90_000
const pauseMs = 1_000

/**
 * Asks until each target is there, `lanes` times without deduplication, then prints the answer:
 * a Prometheus that has just started has scraped nothing, and a target that is down stays missing.
 */
export async function showExample(
  queryAddress: string,
  want: { targets: number; lanes: number },
  signal: AbortSignal,
): Promise<void> {
  const deadline = Date.now() + triesMs
  for (;;) {
    const deduplicated = await ask(queryAddress, true)
    const all = await ask(queryAddress, false)
    const complete = deduplicated.length >= want.targets && all.length >= want.lanes * want.targets
    if (complete || Date.now() > deadline) {
      print(queryAddress, deduplicated, all.length)
      return
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
    signal.throwIfAborted()
  }
}

type Result = NonNullable<Answer['data']>['result']

async function ask(address: string, dedup: boolean): Promise<Result> {
  const response = await fetch(url(address, dedup), { signal: AbortSignal.timeout(30_000) })
  const answer = (await response.json()) as Answer
  if (answer.status !== 'success' || !answer.data)
    throw new MnemoError('unavailable', `cannot ask the example query: got ${answer.error ?? response.status}`)
  return answer.data.result
}

function url(address: string, dedup: boolean): string {
  return `http://${address}/api/v1/query?query=${encodeURIComponent(query)}${dedup ? '' : '&dedup=false'}`
}

function print(address: string, result: Result, all: number): void {
  console.log(`\nan example: curl '${url(address, true)}'`)
  for (const { metric, value } of result) {
    const { __name__, ...labels } = metric
    const pairs = Object.entries(labels).map(([name, text]) => `${name}="${text}"`)
    console.log(`  ${__name__}{${pairs.join(', ')}} ${value[1]}`)
  }
  console.log(`  ${result.length} series: each target once. With &dedup=false there are ${all}, one a replica.\n`)
}
