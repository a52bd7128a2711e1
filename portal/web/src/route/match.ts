/** The parameters of pattern (/bodies/:id) in path, or null when it is another page. */
export function match(pattern: string, path: string): Record<string, string> | null {
  const want = pattern.split('/')
  const got = path.replace(/\/+$/, '').split('/')
  if (path === '/') got.splice(1)
  if (pattern === '/') want.splice(1)
  if (want.length !== got.length) return null
  const found: Record<string, string> = {}
  for (const [i, part] of want.entries()) {
    const value = got[i] ?? ''
    if (part.startsWith(':')) {
      try {
        found[part.slice(1)] = decodeURIComponent(value)
      } catch {
        return null
      }
    } else if (part !== value) return null
  }
  return found
}
