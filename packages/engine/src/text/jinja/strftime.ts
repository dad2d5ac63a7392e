const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

/** Python's `strftime` of the local time in its C locale; a field that it does not know stays as it is. */
export function strftime(date: Date, format: string): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const [day, month, hour] = [
    DAYS[date.getDay()] as string,
    MONTHS[date.getMonth()] as string,
    date.getHours(),
  ];
  const dayOfYear =
    Math.round(
      (Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - Date.UTC(date.getFullYear(), 0, 1)) /
        86_400_000,
    ) + 1;
  const fields: Readonly<Record<string, () => string>> = {
    a: () => day.slice(0, 3),
    A: () => day,
    b: () => month.slice(0, 3),
    h: () => month.slice(0, 3),
    B: () => month,
    d: () => two(date.getDate()),
    "-d": () => String(date.getDate()),
    e: () => String(date.getDate()).padStart(2),
    m: () => two(date.getMonth() + 1),
    "-m": () => String(date.getMonth() + 1),
    Y: () => String(date.getFullYear()),
    y: () => two(date.getFullYear() % 100),
    H: () => two(hour),
    I: () => two(hour % 12 || 12),
    "-I": () => String(hour % 12 || 12),
    "-H": () => String(hour),
    M: () => two(date.getMinutes()),
    S: () => two(date.getSeconds()),
    f: () => String(date.getMilliseconds() * 1000).padStart(6, "0"),
    p: () => (hour < 12 ? "AM" : "PM"),
    j: () => String(dayOfYear).padStart(3, "0"),
    w: () => String(date.getDay()),
    u: () => String(date.getDay() || 7),
    F: () => strftime(date, "%Y-%m-%d"),
    T: () => strftime(date, "%H:%M:%S"),
    D: () => strftime(date, "%m/%d/%y"),
    R: () => strftime(date, "%H:%M"),
    c: () => strftime(date, "%a %b %e %H:%M:%S %Y"),
    x: () => strftime(date, "%m/%d/%y"),
    X: () => strftime(date, "%H:%M:%S"),
    n: () => "\n",
    t: () => "\t",
    "%": () => "%",
    z: () => "",
    Z: () => "",
  };
  return format.replace(/%(-?[a-zA-Z%])/g, (whole, field: string) => fields[field]?.() ?? whole);
}
