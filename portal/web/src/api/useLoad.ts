import { useCallback, useEffect, useRef, useState } from 'react'
import { api } from './client'
import { Problem } from './problem'

export interface Loaded<T> {
  data: T | undefined
  etag: string
  error: Problem | undefined
  /** A call is under way; old data stays on the screen meanwhile. */
  loading: boolean
  /** When data came, in milliseconds; 0 before. */
  at: number
  reload: () => void
  set: (data: T, etag?: string) => void
}

interface State<T> {
  path: string | null
  data: T | undefined
  etag: string
  error: Problem | undefined
  loading: boolean
  at: number
}

/**
 * Reads path (null: nothing yet) and again every `every` milliseconds while the
 * page is visible. When path changes the old content stays until the new one
 * has come; a failed repetition keeps it too, with `error` set.
 */
export function useLoad<T>(path: string | null, every = 0): Loaded<T> {
  const [state, setState] = useState<State<T>>({ path: null, data: undefined, etag: '', error: undefined, loading: path !== null, at: 0 })
  const [turn, setTurn] = useState(0)
  const current = useRef(path)
  current.current = path

  useEffect(() => {
    if (path === null) return
    const stop = new AbortController()
    const read = async () => {
      setState((s) => ({ ...s, loading: true }))
      try {
        const { data, etag } = await api.get<T>(path, { signal: stop.signal })
        setState({ path, data, etag, error: undefined, loading: false, at: Date.now() })
      } catch (cause) {
        if (stop.signal.aborted) return
        const error = cause instanceof Problem ? cause : new Problem(0, { code: 'unknown' })
        setState((s) => ({ ...s, path, error, loading: false, data: s.path === path || error.status === 0 ? s.data : undefined }))
      }
    }
    void read()
    const timer = every
      ? setInterval(() => {
          if (document.visibilityState === 'visible') void read()
        }, every)
      : undefined
    // Back from another tab the page is fresh at once.
    const back = () => {
      if (every && document.visibilityState === 'visible') void read()
    }
    document.addEventListener('visibilitychange', back)
    return () => {
      stop.abort()
      clearInterval(timer)
      document.removeEventListener('visibilitychange', back)
    }
  }, [path, every, turn])

  const reload = useCallback(() => setTurn((n) => n + 1), [])
  const set = useCallback((data: T, etag = '') => {
    setState({ path: current.current, data, etag, error: undefined, loading: false, at: Date.now() })
  }, [])
  return { data: state.data, etag: state.etag, error: state.error, loading: state.loading, at: state.at, reload, set }
}
