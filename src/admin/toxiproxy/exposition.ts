import { goFloat } from "../json/go-float.ts";

/** One number of a metric. */
export interface Sample {
  /** In the order in which they are shown. */
  readonly labels: readonly (readonly [name: string, value: string])[];
  readonly value: number;
}

/** A metric, as Prometheus is told it. */
export interface Metric {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** What an answer in this format says it is. */
export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/** The text that Prometheus reads. A metric that has no samples yet isn't told. */
export function toExposition(metrics: readonly Metric[]): string {
  return metrics
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, type, help, samples }) => {
      const lines = samples.map((sample) => `${name}${labelsText(sample)} ${goFloat(sample.value)}\n`);
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
    })
    .join("");
}

function labelsText({ labels }: Sample): string {
  if (labels.length === 0) return "";
  return `{${labels.map(([name, value]) => `${name}="${escapeLabel(value)}"`).join(",")}}`;
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`));
}
