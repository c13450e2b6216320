// `mnemo tools promqltest FILE…`: runs conformance scripts, a line for each failing evaluation, and counts them.
// Output: `file:line: what was got, what was wanted`, then `N passed, M failed`; exit 1 where M > 0, 2 where a script is malformed.
// Owns the command line; scripts are run by script.ts.

import { readFile } from 'node:fs/promises'
import { createKernels } from '../../../lib/kernels/instance.ts'
import type { Kernels } from '../../../lib/kernels/kernels.ts'
import { asMnemoError, MnemoError } from '../../../lib/kit/errors.ts'
import { type EvalOutcome, runScript } from './script.ts'

const usage = `usage: mnemo tools promqltest FILE…

Runs Prometheus's conformance scripts (promqltest) on the engine, over blocks that are written and read back.
Prints a line for each failing evaluation, then how many passed and failed; ends with 1 where any failed.`

export async function promqltest(argv: string[]): Promise<void> {
  if (argv.length === 0 || argv.some((argument) => argument.startsWith('-'))) {
    const asked = argv.some((argument) => argument === '--help' || argument === '-h')
    if (asked) console.log(usage)
    else console.error(usage)
    process.exitCode = asked ? 0 : 2
    return
  }
  try {
    process.exitCode = await runFiles(argv)
  } catch (error) {
    console.error(`mnemo tools promqltest: ${asMnemoError(error).message}`)
    process.exitCode = 2
  }
}

/** The exit status. */
async function runFiles(files: readonly string[]): Promise<number> {
  const kernels = createKernels()
  let passed = 0
  let failed = 0
  for (const file of files) {
    for (const { line, query, failure } of await outcomesOf(file, kernels)) {
      if (failure === undefined) {
        passed++
        continue
      }
      failed++
      console.log(`${file}:${line}: ${query}: ${failure.replaceAll('\n', ' ')}`)
    }
  }
  console.log(`${passed} passed, ${failed} failed`)
  return failed > 0 ? 1 : 0
}

async function outcomesOf(file: string, kernels: Kernels): Promise<readonly EvalOutcome[]> {
  try {
    return await runScript(await readFile(file, 'utf8'), kernels)
  } catch (error) {
    throw new MnemoError('config', `cannot run ${file}: ${asMnemoError(error).message}`, { cause: error })
  }
}
