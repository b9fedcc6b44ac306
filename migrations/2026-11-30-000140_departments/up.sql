-- The departments of the network. overflow holds codes in the order of the search, separated by ';'.
-- patience_s: seconds that a worker waits for a department that is on call but full, before the
-- search goes on along overflow.
-- No foreign key refers to this table: SQLite can add one only by building the other table again,
-- and a department is never deleted.
CREATE TABLE department (
  code TEXT NOT NULL PRIMARY KEY CHECK (length(code) BETWEEN 1 AND 32),
  name_zh TEXT NOT NULL,
  name_en TEXT NOT NULL,
  patience_s INTEGER NOT NULL CHECK (patience_s BETWEEN 0 AND 7200),
  overflow TEXT NOT NULL,
  version BIGINT NOT NULL DEFAULT 1
);
INSERT INTO department (code, name_zh, name_en, patience_s, overflow) VALUES
  ('general_practice', '全科', 'general practice', 300, ''),
  ('internal_medicine', '内科', 'internal medicine', 300, 'general_practice'),
  ('surgery', '外科', 'surgery', 300, 'general_practice'),
  ('orthopaedics', '骨科', 'orthopaedics', 300, 'general_practice'),
  ('dermatology', '皮肤科', 'dermatology', 300, 'general_practice'),
  ('ophthalmology', '眼科', 'ophthalmology', 300, 'general_practice'),
  ('ent', '耳鼻喉科', 'ear, nose and throat', 300, 'general_practice'),
  ('paediatrics', '儿科', 'paediatrics', 300, 'general_practice'),
  ('obstetrics_gynaecology', '妇产科', 'obstetrics and gynaecology', 300, 'general_practice'),
  ('cardiology', '心血管内科', 'cardiology', 300, 'general_practice'),
  ('gastroenterology', '消化内科', 'gastroenterology', 300, 'general_practice'),
  ('respiratory', '呼吸内科', 'respiratory medicine', 300, 'general_practice'),
  ('neurology', '神经内科', 'neurology', 300, 'general_practice'),
  ('traditional_chinese_medicine', '中医科', 'traditional Chinese medicine', 300, 'general_practice'),
  ('psychiatry', '精神科', 'psychiatry', 300, 'general_practice');
