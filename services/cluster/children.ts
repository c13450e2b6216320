// The cluster's child processes: started with their output in a log file each, watched, and ended together.
// A child gets its own process group, so that a terminal's Ctrl-C reaches it once, through us.
// Owns every child's pid; nothing that it did not start is ended.
import { type ChildProcess, spawn } from 'node:child_process'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { MnemoError } from '../../lib/kit/errors.ts'

export interface ChildOptions {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** Answers 200 once the child is ready. */
  readonly readyUrl: string
}

interface Child extends ChildOptions {
  readonly process: ChildProcess
  readonly exited: Promise<string>
}

const pollMs = 100
/** Between SIGTERM and SIGKILL. */
const graceMs = 8_000

export class Children {
  readonly #logFolder: string
  readonly #children: Child[] = []
  #stopping = false

  constructor(logFolder: string) {
    this.#logFolder = logFolder
    // Whatever ends us, a second Ctrl-C among it: nothing is left behind.
    process.once('exit', () => {
      for (const { process: child } of this.#children) child.kill('SIGKILL')
    })
  }

  /** Starts a child; its output is appended to `<logs>/<name>.log`. */
  async start(options: ChildOptions): Promise<void> {
    const log = await open(this.logFile(options.name), 'a')
    try {
      const child = spawn(options.command, options.args, { stdio: ['ignore', log.fd, log.fd], detached: true })
      const { promise, resolve } = Promise.withResolvers<string>()
      child.once('error', (error) => resolve(error.message))
      child.once('exit', (code, signal) => resolve(signal ? `signal ${signal}` : `status ${code}`))
      this.#children.push({ ...options, process: child, exited: promise })
    } finally {
      await log.close()
    }
  }

  logFile(name: string): string {
    return path.join(this.#logFolder, `${name}.log`)
  }

  /** Waits until each child answers its ready URL; throws `unavailable` where one ends before or takes too long. */
  async untilReady(timeoutMs: number, signal: AbortSignal): Promise<void> {
    await Promise.all(this.#children.map((child) => this.#untilReady(child, timeoutMs, signal)))
  }

  async #untilReady(child: Child, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      if (await answers(child.readyUrl)) return
      const ended = await Promise.race([child.exited, sleep(pollMs)])
      signal.throwIfAborted()
      if (ended !== undefined) throw this.#ended(child, ended)
      if (Date.now() > deadline)
        throw new MnemoError(
          'unavailable',
          `cannot start ${child.name}: not ready after ${timeoutMs / 1000} s, its log is ${this.logFile(child.name)}`,
        )
    }
  }

  /** Resolves only by throwing: `unavailable` once a child ends by itself. */
  async untilOneEnds(): Promise<never> {
    const { child, how } = await Promise.race(this.#children.map(async (child) => ({ child, how: await child.exited })))
    if (this.#stopping) return new Promise(() => {})
    throw this.#ended(child, how)
  }

  /** Ends all children side by side: SIGTERM, after a grace period SIGKILL. */
  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(
      this.#children.map(async ({ process: child, exited }) => {
        child.kill('SIGTERM')
        const ended = await Promise.race([exited, sleep(graceMs)])
        if (ended === undefined) child.kill('SIGKILL')
        await exited
      }),
    )
  }

  #ended(child: Child, how: string): MnemoError {
    return new MnemoError(
      'unavailable',
      `cannot go on: ${child.name} ended with ${how}, its log is ${this.logFile(child.name)}`,
    )
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false // not listening: the caller asks again
  }
}

function sleep(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms))
}
