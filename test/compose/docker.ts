// The Docker that DOCKER_HOST names: its API over a socket or TCP, and Compose's command over this checkout's files.
// Specification: Docker Engine API 1.41 (/_ping, /containers/json, /images/{name}/json).
// Owns no container: what Compose starts, the caller ends with `down`.
import { spawn, spawnSync } from 'node:child_process'
import { request } from 'node:http'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Why there is no Docker to test with, in one line; undefined: there is one. */
export async function whyNoDocker(): Promise<string | undefined> {
  const host = dockerHost()
  try {
    const pong = await dockerApi('/_ping')
    if (pong.status !== 200) return `left out: Docker at ${host} answers ${pong.status}`
  } catch (error) {
    return `left out: no Docker can be reached at ${host} (${(error as NodeJS.ErrnoException).code ?? error})`
  }
  return composeCommand() ? undefined : 'left out: neither `docker compose` nor `docker-compose` is on the PATH'
}

function dockerHost(): string {
  return process.env.DOCKER_HOST || 'unix:///var/run/docker.sock'
}

/** One request to the Docker Engine. */
export function dockerApi(path: string): Promise<{ status: number; body: string }> {
  const url = new URL(dockerHost())
  const at = url.protocol === 'unix:' ? { socketPath: url.pathname } : { host: url.hostname, port: url.port || 2375 }
  return new Promise((resolve, reject) => {
    const sent = request({ ...at, path, headers: { host: 'docker' }, timeout: 10_000 }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() }))
    })
    sent.on('timeout', () => sent.destroy(new Error('no answer within 10 s')))
    sent.on('error', reject)
    sent.end()
  })
}

let found: readonly string[] | undefined

/** `docker compose` where it is, else the older `docker-compose`. */
function composeCommand(): readonly string[] | undefined {
  found ??= [['docker', 'compose'], ['docker-compose']].find(
    ([command, ...args]) => spawnSync(command!, [...args, 'version']).status === 0,
  )
  return found
}

export interface Finished {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Container {
  readonly service: string
  readonly running: boolean
  /** `starting`, `healthy`, `unhealthy`; undefined where the service has no health check. */
  readonly health: string | undefined
  readonly exitCode: number
}

/** One project over docker-compose.yml and the override beside this file. */
export class ComposeProject {
  readonly name: string
  readonly #env: NodeJS.ProcessEnv

  /** `env`: what .env would tell. */
  constructor(name: string, env: Readonly<Record<string, string>>) {
    this.name = name
    this.#env = { ...process.env, ...env }
  }

  /** Runs `compose ARG…` to its end; its output is kept. Compose that hangs is ended after 15 minutes. */
  run(...args: string[]): Promise<Finished> {
    const files = ['-f', 'docker-compose.yml', '-f', 'test/compose/override.yml']
    const [command, ...first] = composeCommand() ?? []
    const all = [...first, '-p', this.name, '--project-directory', '.', ...files, ...args]
    const child = spawn(command!, all, {
      cwd: root,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 900_000,
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    return new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (status) =>
        resolve({ status, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
      )
    })
  }

  /** As `run`; throws with the last lines of what it printed where it fails. */
  async must(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(...args)
    if (status !== 0) {
      const tail = `${stdout}\n${stderr}`.trim().split('\n').slice(-15).join('\n')
      throw new Error(`compose ${args.join(' ')}: exit status ${status}\n${tail}`)
    }
    return stdout
  }

  /** The project's containers, those that have ended among them. */
  async containers(): Promise<Container[]> {
    const filters = encodeURIComponent(JSON.stringify({ label: [`com.docker.compose.project=${this.name}`] }))
    const { body } = await dockerApi(`/containers/json?all=true&filters=${filters}`)
    return Promise.all((JSON.parse(body) as { Id: string }[]).map(({ Id }) => describeContainer(Id)))
  }
}

async function describeContainer(id: string): Promise<Container> {
  const { State, Config } = JSON.parse((await dockerApi(`/containers/${id}/json`)).body) as {
    State: { Running: boolean; ExitCode: number; Health?: { Status: string } }
    Config: { Labels: Record<string, string> }
  }
  return {
    service: Config.Labels['com.docker.compose.service'] ?? '',
    running: State.Running,
    health: State.Health?.Status || undefined,
    exitCode: State.ExitCode,
  }
}
