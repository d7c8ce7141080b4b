//! Order of things that depend on each other.

use server_shared::error::FAULTS_LISTED;

/// Orders nodes so that each stands after those that it depends on, and returns the cycles that make it impossible,
/// each from its first node on. Nodes of cycles are not in the order. No more cycles are found than faults are listed:
/// each takes a walk through all nodes.
pub(super) fn sorted(dependencies: &[Vec<usize>]) -> (Vec<usize>, Vec<Vec<usize>>) {
    let count = dependencies.len();
    let mut open: Vec<usize> = dependencies.iter().map(Vec::len).collect();
    let mut dependents = vec![Vec::new(); count];
    for (node, needed) in dependencies.iter().enumerate() {
        for &need in needed {
            dependents[need].push(node);
        }
    }
    let mut ready: Vec<usize> = (0..count).rev().filter(|node| open[*node] == 0).collect();
    let (mut settled, mut order, mut cycles) = (vec![false; count], Vec::with_capacity(count), Vec::new());
    let mut first_left = 0;
    loop {
        while let Some(node) = ready.pop() {
            settled[node] = true;
            order.push(node);
            release(&dependents[node], &mut open, &settled, &mut ready);
        }
        while settled.get(first_left).is_some_and(|is_settled| *is_settled) {
            first_left += 1;
        }
        if first_left == count || cycles.len() == FAULTS_LISTED {
            return (order, cycles);
        }
        let cycle = cycle_from(first_left, dependencies, &settled);
        // Takes the cycle as settled, so that others are found too.
        for &node in &cycle {
            settled[node] = true;
        }
        for &node in &cycle {
            release(&dependents[node], &mut open, &settled, &mut ready);
        }
        cycles.push(cycle);
    }
}

/// Counts a settled node off its dependents; those that need no other are ready.
fn release(dependents: &[usize], open: &mut [usize], settled: &[bool], ready: &mut Vec<usize>) {
    for &node in dependents {
        open[node] -= 1;
        if open[node] == 0 && !settled[node] {
            ready.push(node);
        }
    }
}

/// Walks from a node to one that it depends on, again and again, until a node comes twice.
fn cycle_from(start: usize, dependencies: &[Vec<usize>], settled: &[bool]) -> Vec<usize> {
    let mut seen = vec![None; dependencies.len()];
    let (mut path, mut node) = (Vec::new(), start);
    loop {
        if let Some(first) = seen[node] {
            let mut cycle = path.split_off(first);
            let smallest = cycle.iter().enumerate().min_by_key(|(_, node)| **node).map_or(0, |(place, _)| place);
            cycle.rotate_left(smallest);
            return cycle;
        }
        seen[node] = Some(path.len());
        path.push(node);
        // A node that is neither settled nor ready depends on another such node.
        let Some(next) = dependencies[node].iter().find(|next| !settled[**next]) else { return path };
        node = *next;
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn each_cycle_is_found_from_its_first_node_on() {
        let dependencies = vec![vec![1], vec![2], vec![1], vec![4], vec![3], vec![5], vec![0]];
        let (order, cycles) = sorted(&dependencies);
        assert_eq!(cycles, [vec![1, 2], vec![3, 4], vec![5]]);
        assert_eq!(order, [0, 6], "those that only depend on a cycle are in order");
    }

    #[test]
    fn no_more_cycles_are_found_than_are_listed() {
        let dependencies: Vec<Vec<usize>> = (0..1000).map(|node| vec![node]).collect();
        let (order, cycles) = sorted(&dependencies);
        assert_eq!((order.len(), cycles.len()), (0, FAULTS_LISTED));
    }

    proptest! {
        #[test]
        fn each_node_is_once_in_the_order_or_in_a_cycle(
            dependencies in (1_usize..30).prop_flat_map(|count| vec(vec(0..count, 0..4), count))
        ) {
            let dependencies: Vec<Vec<usize>> = dependencies
                .into_iter()
                .map(|mut needed| { needed.sort_unstable(); needed.dedup(); needed })
                .collect();
            let (order, cycles) = sorted(&dependencies);
            let mut all: Vec<usize> = order.iter().chain(cycles.iter().flatten()).copied().collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..dependencies.len()).collect::<Vec<_>>());
            for cycle in &cycles {
                for (node, next) in cycle.iter().zip(cycle.iter().cycle().skip(1)) {
                    prop_assert!(dependencies[*node].contains(next), "{cycle:?} is no cycle");
                }
            }
            if cycles.is_empty() {
                for (place, node) in order.iter().enumerate() {
                    let before = &order[..place];
                    prop_assert!(dependencies[*node].iter().all(|need| before.contains(need)));
                }
            }
        }
    }
}
