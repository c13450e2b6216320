// Real processes for tests: started, waited for by line, port or HTTP, ended by pid, their output kept for failures.
// Each child dies with its parent (pdeathsig), even where that is killed: nothing is ever left behind.
// Owns the processes that it started, and no others.
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

export interface StartOptions {
  readonly command: string
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
}

const outputMaxChars = 1024 * 1024
const pollMs = 20
const stopTimeoutMs = 15_000

/** Whether a command is on the PATH. */
export function hasCommand(command: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', command]).status === 0
}

/** Whether a process runs; one that has ended and is only not yet reaped does not. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return !/^\d+ \(.*\) [ZX] /s.test(stat)
  } catch {
    // No /proc entry: gone.
    return false
  }
}

let setpriv: boolean | undefined

/** The command line that dies with this process, where the system can do that. */
function dyingWithParent(command: string, args: readonly string[]): [string, string[]] {
  setpriv ??= hasCommand('setpriv')
  return setpriv ? ['setpriv', ['--pdeathsig', 'KILL', '--', command, ...args]] : [command, [...args]]
}

/** Runs a command to its end; its output, or an error with all that it said. */
export async function run(command: string, args: readonly string[], timeoutMs = 30_000): Promise<string> {
  const [file, all] = dyingWithParent(command, args)
  const { stdout } = await promisify(execFile)(file, all, { timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024 })
  return stdout
}

/** A process of a test. End it in afterAll or afterEach: `await process.stop()`. */
export class TestProcess {
  readonly pid: number
  readonly #name: string
  readonly #child: ChildProcess
  readonly #exited: Promise<number | NodeJS.Signals>
  #output = ''
  #outcome: number | NodeJS.Signals | undefined

  private constructor(child: ChildProcess, name: string) {
    this.pid = child.pid!
    this.#name = name
    this.#child = child
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-outputMaxChars)
      })
    this.#exited = new Promise((resolve) => {
      child.once('close', (status, signal) => {
        this.#outcome = signal ?? status ?? 0
        resolve(this.#outcome)
      })
    })
  }

  /** Starts the command; it is running when this resolves, and may not be ready. */
  static async start({ command, args = [], env, cwd }: StartOptions): Promise<TestProcess> {
    const [file, all] = dyingWithParent(command, args)
    const child = spawn(file, all, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      ...(cwd !== undefined && { cwd }),
    })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    return new TestProcess(child, command)
  }

  /** All it has said so far, both streams as they came (at most the last MiB). */
  get output(): string {
    return this.#output
  }

  /** Exit status or signal; undefined while it runs. */
  get outcome(): number | NodeJS.Signals | undefined {
    return this.#outcome
  }

  /** The first match in its output. */
  async waitForOutput(pattern: RegExp, timeoutMs = 30_000): Promise<RegExpExecArray> {
    let match: RegExpExecArray | null = null
    await this.#until(`output ${pattern}`, timeoutMs, async () => {
      match = pattern.exec(this.#output)
      return match !== null
    })
    return match!
  }

  /** Until something accepts connections on the port. */
  async waitForPort(port: number, timeoutMs = 30_000): Promise<void> {
    await this.#until(`port ${port}`, timeoutMs, () => accepts(port))
  }

  /** Until the address answers with a status of 2xx. */
  async waitForHttp(url: string, timeoutMs = 30_000): Promise<void> {
    await this.#until(url, timeoutMs, () => answers(url))
  }

  /** Exit status or signal, once it has ended by itself. */
  async waitForExit(timeoutMs = 30_000): Promise<number | NodeJS.Signals> {
    const outcome = await Promise.race([this.#exited, sleep(timeoutMs, undefined, { ref: false })])
    if (outcome === undefined) throw this.#failure(`did not end within ${timeoutMs} ms`)
    return outcome
  }

  /** Asks it to end (SIGTERM) and waits; what does not end within 15 s is killed, which fails the test. */
  async stop(): Promise<number | NodeJS.Signals> {
    if (this.#outcome !== undefined) return this.#outcome
    this.#child.kill('SIGTERM')
    try {
      return await this.waitForExit(stopTimeoutMs)
    } catch (error) {
      await this.kill()
      throw error
    }
  }

  /** Kills it (SIGKILL) and waits until it is gone. */
  async kill(): Promise<void> {
    if (this.#outcome === undefined) this.#child.kill('SIGKILL')
    await this.#exited
  }

  async #until(what: string, timeoutMs: number, isReached: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + timeoutMs
    while (!(await isReached())) {
      if (this.#outcome !== undefined) throw this.#failure(`ended with ${this.#outcome} before ${what}`)
      if (Date.now() > deadline) throw this.#failure(`has not reached ${what} after ${timeoutMs} ms`)
      await sleep(pollMs)
    }
  }

  #failure(what: string): Error {
    return new Error(`${this.#name} (pid ${this.pid}) ${what}; it said:\n${this.#output || '(nothing)'}`)
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2000) })
    await answer.arrayBuffer()
    return answer.ok
  } catch {
    // Not yet: the caller asks again until its deadline.
    return false
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('close', () => socket.destroy())
    socket.on('connect', () => socket.destroy())
  })
}
