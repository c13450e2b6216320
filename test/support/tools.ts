// `mnemo tools …` as a real process, and what it printed.
// Owns nothing: the process has ended when its outcome is there.
import { fileURLToPath } from 'node:url'
import { TestProcess } from './process.ts'

export const executable = fileURLToPath(new URL('../../services/mnemo.ts', import.meta.url))

export interface ToolOutcome {
  readonly status: unknown
  readonly output: string
  /** What is no log line. */
  readonly lines: string[]
}

export async function tools(...args: string[]): Promise<ToolOutcome> {
  const started = await TestProcess.start({ command: process.execPath, args: [executable, 'tools', ...args] })
  const status = await started.waitForExit(120_000)
  const lines = started.output.split('\n').filter((line) => line !== '' && !line.startsWith('ts='))
  return { status, output: started.output, lines }
}

/** The flag of a bucket in a directory; of a second one, `prefix` is 'objstore-to' and the like. */
export function configOf(directory: string, prefix = 'objstore'): string {
  return `--${prefix}.config={type: FILESYSTEM, config: {directory: ${directory}}}`
}
