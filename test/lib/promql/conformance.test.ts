// Prometheus's conformance scripts, where they lie beside the project; our own in the same language always.
// None may fail.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { runScript } from '../../../services/tools/promqltest/script.ts'

const shared = fileURLToPath(new URL('../../../../shared/promqltest/', import.meta.url))
const own = fileURLToPath(new URL('../../promql/', import.meta.url))
const kernels = createKernels()

function scripts(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('.test'))
    .map((name) => join(folder, name))
}

const conformance = scripts(shared)
if (conformance.length === 0) console.log('conformance scripts: none found beside the project, only our own run')

for (const file of [...conformance, ...scripts(own)]) {
  test(basename(file), { timeout: 60_000 }, async () => {
    const outcomes = await runScript(readFileSync(file, 'utf8'), kernels)
    console.log(`${basename(file)}: ${outcomes.length} evaluations`)
    expect(outcomes.filter(({ failure }) => failure !== undefined)).toEqual([])
  })
}
