// A service as a process: its exit statuses, what it says, how it drains.
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'

const demo = fileURLToPath(new URL('./demo-service.ts', import.meta.url))
const loopback = ['--http-address=127.0.0.1:0', '--grpc-address=127.0.0.1:0']
const children: ChildProcess[] = []

afterEach(() => {
  for (const child of children.splice(0)) if (child.exitCode === null) child.kill('SIGKILL')
})

interface Run {
  child: ChildProcess
  out: () => string
  err: () => string
  /** Resolves when standard output has the text. */
  says: (text: string) => Promise<void>
  exit: Promise<number | null>
}

function start(...args: string[]): Run {
  const child = spawn(process.execPath, [demo, ...loopback, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  let out = ''
  let err = ''
  child.stdout.on('data', (bytes) => {
    out += bytes
  })
  child.stderr.on('data', (bytes) => {
    err += bytes
  })
  const exit = new Promise<number | null>((resolve) => child.on('close', resolve))
  const says = async (text: string) => {
    while (!out.includes(text)) {
      if (child.exitCode !== null) throw new Error(`ended without saying "${text}": ${out}${err}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  return { child, out: () => out, err: () => err, says, exit }
}

const lastLine = (text: string) => text.trimEnd().split('\n').at(-1)

test('help goes to standard output, status 0', async () => {
  const run = start('--help')
  expect(await run.exit).toBe(0)
  expect(run.out()).toContain('usage: mnemo demo [<flags>]')
  expect(run.err()).toBe('')
})

test('a wrong flag: one line, status 2', async () => {
  const run = start('--nope')
  expect(await run.exit).toBe(2)
  expect(run.err()).toBe(
    'mnemo demo: cannot parse the flags of demo: got unknown flag --nope, want one that --help lists\n',
  )
})

test('a configuration error at start: one line, status 2; what had started is stopped', async () => {
  const run = start('--way=config', '--log.level=error')
  expect(await run.exit).toBe(2)
  expect(run.err()).toBe('mnemo demo: cannot use --bucket\n')
  expect(run.out()).toBe('stopped last\nstopped first\n')
})

test('any other error: one line with its causes, status 1', async () => {
  const run = start('--way=fail', '--log.level=error')
  expect(await run.exit).toBe(1)
  expect(run.err()).toBe('mnemo demo: cannot reach bucket: refused\n')
})

test('a bug outside of any request: logged with its stack, status 1', async () => {
  const run = start('--way=bug')
  expect(await run.exit).toBe(1)
  expect(lastLine(run.err())).toMatch(/level=fatal msg="unexpected error" err="TypeError: x is not a function\\n/)
})

test('work that is done: everything is stopped, the last first, status 0', async () => {
  const run = start('--way=done')
  expect(await run.exit).toBe(0)
  expect(run.out()).toBe('stopped last\nstopped first\n')
})

test.each(['SIGTERM', 'SIGINT'] as const)('%s: a running request gets its answer, status 0', async (signal) => {
  const run = start()
  await run.says('ready ')
  const address = /ready (\S+)/.exec(run.out())?.[1]
  const metrics = await (await fetch(`http://${address}/metrics`)).text()
  for (const check of ['healthy', 'ready'])
    expect(metrics).toMatch(new RegExp(`^thanos_status\\{component="[^"]+",check="${check}"\\} 1$`, 'm'))
  const slow = fetch(`http://${address}/slow`).then((response) => response.text())
  await run.says('slow begun')
  run.child.kill(signal)
  expect(await slow).toBe('slow done')
  expect(await run.exit).toBe(0)
  expect(run.out()).toContain('stopped last\nstopped first\n')
})

test('work that ends with the signal by an error of it: status 0', async () => {
  const run = start('--way=loop')
  await run.says('ready ')
  run.child.kill('SIGTERM')
  expect(await run.exit).toBe(0)
})

test.each(['stuck', 'stuck-stop'])('a second signal ends a stop that hangs (%s) at once, status 1', async (way) => {
  const run = start(`--way=${way}`)
  await run.says('ready ')
  run.child.kill('SIGTERM')
  while (!run.err().includes('msg=stopping')) await new Promise((resolve) => setTimeout(resolve, 10))
  // The same Ctrl-C, handed on by npm, is no second one.
  run.child.kill('SIGTERM')
  await new Promise((resolve) => setTimeout(resolve, 600))
  expect(run.child.exitCode).toBe(null)
  run.child.kill('SIGTERM')
  expect(await run.exit).toBe(1)
  expect(lastLine(run.err())).toContain('second signal')
})
