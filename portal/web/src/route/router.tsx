import { createContext, use, useCallback, useEffect, useMemo, useState, type ReactNode } from 'react'

export interface Location {
  path: string
  query: URLSearchParams
}

interface Router extends Location {
  go: (to: string, replace?: boolean) => void
  /** Changes parameters of the present address; an empty value takes one out. */
  narrow: (changes: Record<string, string | string[] | undefined>, replace?: boolean) => void
}

const Context = createContext<Router | null>(null)

function here(): Location {
  return { path: window.location.pathname, query: new URLSearchParams(window.location.search) }
}

export function RouterProvider({ children }: { children: ReactNode }) {
  const [at, setAt] = useState(here)
  useEffect(() => {
    const back = () => setAt(here())
    window.addEventListener('popstate', back)
    return () => window.removeEventListener('popstate', back)
  }, [])
  const go = useCallback((to: string, replace = false) => {
    const before = window.location.pathname
    if (replace) window.history.replaceState(null, '', to)
    else window.history.pushState(null, '', to)
    setAt(here())
    if (window.location.pathname !== before) window.scrollTo(0, 0)
  }, [])
  const router = useMemo<Router>(
    () => ({
      ...at,
      go,
      narrow(changes, replace = false) {
        const query = new URLSearchParams(window.location.search)
        for (const [name, value] of Object.entries(changes)) {
          query.delete(name)
          for (const one of Array.isArray(value) ? value : [value]) if (one) query.append(name, one)
        }
        const text = query.toString()
        go(window.location.pathname + (text ? '?' + text : ''), replace)
      },
    }),
    [at, go],
  )
  return <Context value={router}>{children}</Context>
}

export function useRouter(): Router {
  const router = use(Context)
  if (!router) throw new Error('useRouter outside of RouterProvider')
  return router
}
