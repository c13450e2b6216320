// Random queries over a random block: the answers of a real Prometheus, of our engine, and of it without its optimiser. The one on the PATH; or, by hand,
// PROMETHEUS=/path QUERIES=5000 SEED=7 (and DELAYED=1, STARTS=1: names removed late, start timestamps): from version 3 on every digit, warning and error text is compared.
import { execFileSync } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { BlockQueryable } from '../../support/block-queryable.ts'
import { startPrometheus } from '../../support/cluster.ts'
import { type Asked, askOwn, askPrometheus, differenceOf, randomTimes } from '../../support/differential.ts'
import { hasCommand } from '../../support/process.ts'
import { Random } from '../../support/random.ts'
import { writeRandomBlock } from '../../support/random-block.ts'
import { QueryGenerator } from '../../support/random-queries.ts'

const prometheus = process.env.PROMETHEUS ?? 'prometheus'
const queries = Number(process.env.QUERIES ?? 1000)
const seed = Number(process.env.SEED ?? 1)
const features = [
  ...['promql-experimental-functions', 'promql-duration-expr', 'promql-extended-range-selectors'],
  ...['promql-binop-fill-modifiers', ...(process.env.DELAYED ? ['promql-delayed-name-removal'] : [])],
  ...(process.env.STARTS ? ['use-start-timestamps'] : []),
]

/** Deviations take series in the order of a map there. */
const inexact = /std(dev|var)/

async function compare(folder: string): Promise<string[]> {
  const said = execFileSync(prometheus, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  const modern = !/version [12]\./.test(said)
  const random = new Random(seed)
  const starts = modern && Boolean(process.env.STARTS)
  const block = await writeRandomBlock(path.join(folder, 'own'), random, starts ? 'started' : modern ? 'wild' : 'tame')
  const data = path.join(folder, 'theirs')
  await cp(path.join(folder, 'own'), data, { recursive: true })
  const server = await startPrometheus(data, prometheus, modern ? [`--enable-feature=${features.join(',')}`] : [])
  const kernels = createKernels()
  const queryable = await BlockQueryable.open([block], starts ? kernels : undefined)
  const delayedNameRemoval = Boolean(process.env.DELAYED)
  const own = { queryable, kernels, options: { delayedNameRemoval, startTimestamps: starts } }
  const unoptimised = { queryable, kernels, options: { delayedNameRemoval, startTimestamps: starts, passes: [] } }
  try {
    const generator = new QueryGenerator(random, { modern, starts })
    const differences: string[] = []
    const check = async (asked: Asked) => {
      const answer = await askOwn(own, asked)
      const plain = differenceOf(answer, await askOwn(unoptimised, asked), { tolerance: 0, texts: true })
      if (plain !== undefined) differences.push(`${JSON.stringify(asked)}: by the optimiser: ${plain}`)
      let difference: string | undefined
      // Prometheus goes through maps: which of two equal values is the topk, or the last digit of a sum, changes from time to time.
      for (let i = 0; i < 8 && (i === 0 || difference !== undefined); i++) {
        const other = await askPrometheus(server.url, asked)
        const tolerance = modern ? (inexact.test(asked.query) ? 1e-7 : Number(process.env.TOL ?? 1e-12)) : 1e-7
        difference = differenceOf(answer, other, { tolerance, texts: modern })
      }
      if (difference !== undefined) differences.push(`${JSON.stringify(asked)}: ${difference}`)
    }
    // Windows of the old one's counters begin after their first sample.
    for (let i = 0; i < queries; i++) await check(randomTimes(random, generator.query(), modern ? 0 : 250))
    return differences
  } finally {
    await queryable.close()
    await server.stop()
  }
}

if (!hasCommand(prometheus))
  console.log(`left out: random queries next to Prometheus (not on this machine: ${prometheus})`)

test.skipIf(!hasCommand(prometheus))(`${queries} random queries, seed ${seed}`, { timeout: 600_000 }, async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'mnemo-differential-'))
  try {
    const differences = await compare(folder)
    for (const difference of differences) console.log(difference)
    expect(differences).toEqual([])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
