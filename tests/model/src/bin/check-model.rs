//! quick
#![allow(clippy::print_stdout, reason="x")]
use model::*; use stateright::*;
fn main(){
  let a: Vec<String> = std::env::args().collect();
  let mut b = Bounds::full(a[1].parse().unwrap(), a[2].parse().unwrap());
  for f in &a[3..] { let (k,v)=f.split_once('=').unwrap(); match k {
    "page"=>b.page=v=="1","copies"=>b.copies=v.parse().unwrap(),"unread"=>b.unread=v=="1","chores"=>b.chores=v.parse().unwrap(),"crashes"=>b.crashes=v.parse().unwrap(),"beats"=>b.heartbeats=v.parse().unwrap(),"reset"=>b.reset=v=="1","epochs"=>b.epochs=v.parse().unwrap(),"reduced"=>b.reduced=v=="1","plant"=>{b.plant=Plant::parse(v);b.reduced=false},_=>panic!()}}
  let t=std::time::Instant::now();
  let c = World::new(b).checker().threads(2).target_state_count(400_000_000).timeout(std::time::Duration::from_secs(std::env::var("T").map_or(500,|t|t.parse().unwrap()))).finish_when(HasDiscoveries::AnyFailures);
  
  if b.plant.is_some() { let c=c.spawn_bfs().join(); println!("{} {} {}",c.unique_state_count(),c.state_count(),c.max_depth()); for (n,p) in c.discoveries(){ println!("{n}: {}", p.into_actions().len()); } }
  else { let c=c.spawn_dfs().join(); println!("{} {} {}",c.unique_state_count(),c.state_count(),c.max_depth()); for (n,p) in c.discoveries(){ println!("{n}:"); if !["a session is resumed under a new generation","a new session follows one that ended","a holder is fenced","a publish waits for a silent holder","an acquisition is owed"].contains(&n){ for a in p.into_actions(){println!("   {a:?}");}} } }
  println!("{:?} {b:?}",t.elapsed());
}
