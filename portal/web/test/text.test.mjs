// The two catalogues say the same things, no sentence is missing, and none is
// hidden in the source.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const catalogue = (language) => JSON.parse(readFileSync(join(root, `../text/ui.${language}.json`), 'utf8'))
const api = JSON.parse(readFileSync(join(root, '../text/api.ja.json'), 'utf8'))
const ja = catalogue('ja')
const en = catalogue('en')
const known = { ...api, ...ja }

function sources(dir) {
  return readdirSync(dir).flatMap((name) => {
    const path = join(dir, name)
    if (statSync(path).isDirectory()) return sources(path)
    return /\.tsx?$/.test(name) && name !== 'schema.gen.ts' ? [path] : []
  })
}
const files = sources(join(root, 'src')).map((path) => ({ path, text: readFileSync(path, 'utf8') }))

test('both catalogues have the same keys', () => {
  assert.deepEqual(Object.keys(en).sort(), Object.keys(ja).sort())
})

test('a sentence names the same values in both languages', () => {
  const names = (s) => [...new Set([...s.matchAll(/\{(\w+)/g)].map((m) => m[1]))].sort()
  for (const key of Object.keys(ja)) {
    const missing = names(ja[key]).filter((n) => !names(en[key]).includes(n))
    assert.deepEqual(missing, [], `${key}: the English sentence leaves out ${missing.join()}`)
  }
})

test('every key that the source names has a sentence', () => {
  for (const { path, text } of files) {
    for (const [, key] of text.matchAll(/\bt\(\s*'([a-z_0-9.]+)'\s*[,)]/g)) assert.ok(key in known, `${path} names ${key}`)
    for (const [, key] of text.matchAll(/\bcode\([^()]*'([a-z_0-9.]+)'\)/g)) assert.ok(key in known, `${path} falls back on ${key}`)
  }
})

test('no sentence stands in the source', () => {
  for (const { path, text } of files) {
    const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
    const found = /[\u3040-\u30ff\u3400-\u9fff]/.exec(code)
    assert.equal(
      found,
      null,
      `${path} holds Japanese text near ${code.slice(Math.max(0, (found?.index ?? 0) - 30), (found?.index ?? 0) + 30)}`,
    )
  }
})

test('sentences are calm and whole', () => {
  for (const [key, text] of Object.entries(ja)) {
    assert.doesNotMatch(text, /[!\uff01]|\p{Extended_Pictographic}/u, key)
    assert.doesNotMatch(text, /[\uff10-\uff19]/, `${key}: digits are half-width`)
  }
})
