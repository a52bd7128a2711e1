import { Link } from '../route/Link'

interface Props {
  label: string
  tabs: { key: string; href: string; label: string }[]
  now: string
}

/** The pages of one room, with the present one underlined. */
export function PageTabs({ label, tabs, now }: Props) {
  return (
    <nav aria-label={label} className="flex flex-wrap gap-x-6 border-b border-hair">
      {tabs.map((x) => (
        <Link
          key={x.key}
          href={x.href}
          aria-current={x.key === now ? 'page' : undefined}
          className={`flex min-h-12 items-center border-b-3 ${x.key === now ? 'border-blue-900 font-700 text-blue-900' : 'border-transparent hover:underline'}`}
        >
          {x.label}
        </Link>
      ))}
    </nav>
  )
}
