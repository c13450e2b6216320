// The starter of processes: what it waits for, what it tells, and that nothing outlives its parent.
import { expect, test } from 'vitest'
import { freePort } from './free-port.ts'
import { hasCommand, isRunning, TestProcess } from './process.ts'

const node = (script: string) => TestProcess.start({ command: process.execPath, args: ['-e', script] })

test('waits for a line, a port, an answer, and the end', async () => {
  const port = await freePort()
  const server = await node(`
    process.on('SIGTERM', () => process.exit(7))
    require('http').createServer((_, response) => response.end('ok')).listen(${port}, '127.0.0.1')
    console.log('pid is', process.pid)`)
  expect((await server.waitForOutput(/pid is (\d+)/))[1]).toBe(String(server.pid))
  await server.waitForPort(port)
  await server.waitForHttp(`http://127.0.0.1:${port}/`)
  expect(server.outcome).toBeUndefined()
  expect(await server.stop()).toBe(7)
  expect(await server.stop()).toBe(7)
})

test('a process that ends before is told with what it said', async () => {
  const failing = await node(`console.error('no disk'); process.exit(3)`)
  await expect(failing.waitForPort(1)).rejects.toThrow(/ended with 3.*no disk/s)
})

const hasSetpriv = hasCommand('setpriv')
if (!hasSetpriv)
  console.log('setpriv is missing (apt-get install util-linux): left out, whether a child dies with its parent')

test.skipIf(!hasSetpriv)('a child dies with its parent, even where that is killed', async () => {
  const module = new URL('./process.ts', import.meta.url)
  const script = `import { TestProcess } from ${JSON.stringify(module)}
    const child = await TestProcess.start({ command: 'sleep', args: ['1000'] })
    console.log('child', child.pid)`
  const parent = await TestProcess.start({ command: process.execPath, args: ['--input-type=module', '-e', script] })
  const [, child] = await parent.waitForOutput(/child (\d+)/)
  expect(isRunning(Number(child))).toBe(true)
  await parent.kill()
  await expect.poll(() => isRunning(Number(child))).toBe(false)
})
