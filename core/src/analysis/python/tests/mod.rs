mod digests;
mod effects;
mod oracle;
mod programs;
mod reads;
mod robust;
