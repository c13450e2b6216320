// Connections to stores that come and go: which one an endpoint has, and that none is kept once it is closed.
// Subject: services/query/connections.ts. Nothing is listening at these addresses, and nothing is asked.
import { expect, test } from 'vitest'
import { EndpointSet } from '../../../lib/storeapi/endpoint-set.ts'
import { Connections } from '../../../services/query/connections.ts'

const one = { address: '127.0.0.1:1' }
const gone = { code: 'unavailable', message: 'cannot ask 127.0.0.1:1: it is not connected to' }

test('one that was closed is not given any more, nor one that was never there', () => {
  const connections = new Connections()
  expect(() => connections.of(one)).toThrowError(expect.objectContaining(gone))
  const connection = connections.open(one)
  expect(connections.of(one)).toMatchObject(one)
  connection.close()
  expect(() => connections.of(one)).toThrowError(expect.objectContaining(gone))
})

test('closing an older one leaves the one that took its place', () => {
  const connections = new Connections()
  const [older, newer] = [connections.open(one), connections.open(one)]
  const given = connections.of(one)
  older.close()
  expect(connections.of(one)).toBe(given)
  newer.close()
  expect(() => connections.of(one)).toThrowError(expect.objectContaining(gone))
})

test('what leaves the endpoint set, or is to be connected to in another way, leaves with its connection', () => {
  const connections = new Connections()
  const connect = connections.open.bind(connections)
  const set = new EndpointSet({ targets: [one], connect, infoTimeoutMs: 50, unhealthyTimeoutMs: 0 })
  const plain = connections.of(one)
  set.setTargets([{ ...one, isStrict: true }])
  expect(connections.of(one)).not.toBe(plain)
  set.setTargets([])
  expect(() => connections.of(one)).toThrowError(expect.objectContaining(gone))
})
