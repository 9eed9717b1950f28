;;; chat.el --- The chat: streams, folds, prompt, history  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Code:

(require 'lb-chat)

(ert-deftest chat-ask-and-read-the-answer ()
  (lb-session (:files lb-program-files :open "a.c"
               :replay (list (lb-rollout "hello") (lb-says "Hello **you**.\n\nSecond.")))
    (lanebridge-ask "hello there")
    (should (equal (lb-turn) "completed"))
    (lb-wait-chat "Hello **you**.\n\nSecond.")
    (lb-wait-chat "## You\nhello there\n")
    (lb-wait-chat "tokens in")
    ;; It did not take the window.
    (should (equal (buffer-name) "a.c"))))

(ert-deftest chat-prompt-is-sent-by-return ()
  (lb-session (:files lb-program-files :open "a.c"
               :replay (list (lb-rollout "hello") (lb-says "Hello.")))
    (lb-open-chat)
    (lb-keys "hello SPC there RET")
    (should (equal (lb-turn) "completed"))
    (lb-wait-chat "Hello.")
    (should (equal (lanebridge-view-prompt) ""))))

(ert-deftest chat-only-the-prompt-can-be-changed ()
  (lb-session (:files lb-program-files :open "a.c"
               :replay (list (lb-rollout "hello") (lb-says "Hello.")))
    (lb-open-chat)
    (lb-keys "hello RET")
    (should (equal (lb-turn) "completed"))
    (lb-wait-chat "tokens in")
    (insert "mine")
    (let ((before (buffer-string)))
      (dolist (place (list (point-min) (/ (point-max) 2)
                           (1- (marker-position lanebridge-view--prompt))))
        (goto-char place)
        (should-error (insert "x") :type 'text-read-only)
        (should-error (delete-char 1) :type 'text-read-only))
      (goto-char (point-min))
      (lb-keys "x d")
      (should (equal (buffer-string) before)))
    (lb-keys "i !")
    (should (equal (lanebridge-view-prompt) "mine!"))
    (goto-char lanebridge-view--prompt)
    (insert "still ")
    (should (equal (lanebridge-view-prompt) "still mine!"))
    (should-error (delete-char -7) :type 'text-read-only)))

(ert-deftest chat-folds-and-faces ()
  (lb-session (:files lb-program-files :open "a.c"
               :replay (list (lb-rollout "look")
                             '(:emit [(:type "reasoning" :text "**Think first**\n\nThen look.")
                                      (:type "function_call" :call "r" :name "exec_command"
                                       :arguments (:cmd "echo one; echo two"))])
                             (lb-says "# Title\nSee `it`:\n```c\nint x;\n```\n- **bold** end")))
    (lb-open-chat)
    (lb-keys "look RET")
    (should (equal (lb-turn) "completed"))
    (lb-wait-chat "tokens in")
    (lanebridge-view-flush)
    (goto-char (point-min))
    (search-forward "∴ thought · Think first")
    (search-forward "Then look.")
    (should (invisible-p (1- (point))))
    (search-forward "echo one; echo two")
    (should-not (invisible-p (1- (point))))
    (save-excursion
      (search-forward "two")
      (should (invisible-p (1- (point)))))
    (goto-char (line-beginning-position))
    (lb-keys "TAB")
    (save-excursion
      (search-forward "\none\n")
      (should-not (invisible-p (1- (point)))))
    (lb-keys "TAB")
    (save-excursion
      (search-forward "\none\n")
      (should (invisible-p (1- (point)))))
    (search-forward "Title")
    (should (memq 'lanebridge-heading (ensure-list (get-text-property (1- (point)) 'face))))
    (search-forward "it")
    (should (memq 'lanebridge-code (ensure-list (get-text-property (1- (point)) 'face))))
    (should (invisible-p (point)))
    (search-forward "int x")
    (should (memq 'lanebridge-block (ensure-list (get-text-property (1- (point)) 'face))))
    (search-forward "bold")
    (should (memq 'bold (ensure-list (get-text-property (1- (point)) 'face))))
    (search-forward " end")
    (should-not (get-text-property (1- (point)) 'face))))

(ert-deftest chat-streams-without-moving-anything ()
  (lb-session (:files lb-program-files :open "a.c"
               :replay (list (lb-rollout "long")
                             `(:emit [(:type "message"
                                       :text ,(apply #'concat
                                                     (mapcar (lambda (i) (format "Line %d of it.\n" i))
                                                             (number-sequence 1 300))))]
                               :pace (:delta_ms 2 :chunk 20))))
    (lb-open-chat)
    (lb-keys "long RET")
    (lb-wait-chat "Line 3 of it.")
    ;; Somebody reads above, and somebody types below.
    (let ((reads (save-excursion (goto-char (point-min)) (search-forward "Line 2") (point-marker)))
          (typed "what I type meanwhile, letter by letter"))
      (seq-doseq (letter typed)
        (execute-kbd-macro (string letter))
        (accept-process-output nil 0.02))
      (should (equal (lanebridge-view-prompt) typed))
      (should (= (point) (point-max)))
      ;; Who is in the prompt sees the end, on the last line.
      (lb-wait-chat "Line 40 of it.")
      (save-excursion
        (goto-char (window-start))
        (should (= (vertical-motion (1- (window-body-height))) (1- (window-body-height))))
        (should (= (line-beginning-position 2) (point-max))))
      ;; Undo takes back what was typed, not what has come.
      (undo-boundary)
      (insert " more")
      (undo-boundary)
      (accept-process-output nil 0.2)
      (undo-only)
      (should (equal (lanebridge-view-prompt) typed))
      (goto-char reads)
      (should (equal (lb-turn) "completed"))
      (lb-wait-chat "Line 300 of it.")
      (should (= (point) reads))
      (should (looking-back "Line 2" (line-beginning-position)))
      (should (< (lb-undo-size) 200))
      (goto-char (point-max))
      (lb-undo-all)
      (lb-wait-chat "Line 300 of it."))))

(ert-deftest chat-told-while-it-runs-and-waits ()
  (lb-session (:files lb-program-files :open "a.c"
               :replay (list (lb-rollout "first") (lb-runs "r" "sleep 2; echo slept")
                             (lb-says "First done.")
                             (lb-then "second") (lb-says "Second done.")
                             ))
    (lb-open-chat)
    (lb-keys "first RET")
    (lb-wait "it to run" (lanebridge-state-busy))
    (lb-wait-chat "sleep 2")
    (lb-keys "second C-c C-q")
    (lb-wait-chat "waits: second")
    (lb-keys "it SPC matters RET")
    (lb-wait-chat "it matters")
    (should (equal (lb-turn 1) "completed"))
    (should (equal (lb-turn 2) "completed"))
    (lb-wait-chat "Second done.")
    (should-not (string-search "waits: second" (lb-chat)))))

(ert-deftest chat-a-prompt-that-waits-comes-back ()
  (lb-session (:files lb-program-files :open "a.c"
               :replay (list (lb-rollout "first") (lb-runs "r" "sleep 20")))
    (lb-open-chat)
    (lb-keys "first RET")
    (lb-wait-chat "sleep 20")
    (lb-keys "second SPC thought C-c C-q")
    (lb-wait-chat "waits: second thought")
    (lb-choosing 0 (lanebridge-queue)
      (lb-wait "the prompt" (equal (lanebridge-view-prompt) "second thought")))
    (lb-wait "it to be gone" (not (string-search "waits: " (lb-chat))))
    (lb-keys "C-c C-k")
    (should (equal (lb-turn) "interrupted"))
    (lb-wait-chat "stopped")))

(ert-deftest chat-an-answer-that-breaks-off-is-made-anew ()
  (let ((text (string-trim (apply #'concat (make-list 40 "Some words. ")))))
    (lb-session (:files lb-program-files :open "a.c"
                 :replay (list (lb-rollout "first")
                               `(:emit [(:type "message" :text ,text)]
                                 :pace (:delta_ms 5 :chunk 12)
                                 :fault (:kind "cut" :after_event 20 :times 1))))
      (lanebridge-ask "first")
      (should (equal (lb-turn) "completed"))
      (lb-wait-chat (concat "\n" text "\n"))
      (lb-wait-chat "tokens in")
      (should-not (string-search "lost" (lb-chat)))
      (should (= 1 (lb-count text (lb-chat)))))))

(ert-deftest chat-completes-files-and-prompts ()
  (lb-session (:files (append lb-program-files
                              '(("src/parser.c" . "int parser;\n")
                                ("../home/.config/lanebridge/prompts/tidy.md" . "Tidy it.\n")))
               :open "a.c"
               :replay (list '(:rollout "see" :match (:text "mentioned by the user: src/parser.c"))
                             (lb-says "I see it.")))
    (set-file-modes (lb-file "../home/.config/lanebridge/prompts/tidy.md") #o600)
    (lb-open-chat)
    (lb-keys "look SPC at SPC @pars TAB")
    (should (string-suffix-p "@src/parser.c" (lanebridge-view-prompt)))
    (lb-keys "RET")
    (should (equal (lb-turn) "completed"))
    (lb-wait "the prompts" lanebridge-mention-prompts)
    (lb-keys "/ti TAB")
    (should (equal (lanebridge-view-prompt) "/tidy"))))

(ert-deftest chat-a-region-is-mentioned ()
  (lb-session (:files lb-program-files :open "a.c")
    (goto-char (point-min))
    (forward-line 1)
    (push-mark (point) t t)
    (let ((transient-mark-mode t))
      (goto-char (point-max))
      (lanebridge-chat))
    (lb-go-to-chat)
    (should (equal (lanebridge-view-prompt) "@a.c:2-4"))))

(ert-deftest chat-mentions ()
  (lb-session (:files '(("a b.c" . "x\n") ("a.c" . "y\n") ("pic.PNG" . "no") ("dir/x" . "")))
    (let ((inputs (lanebridge-mention-inputs
                   "see @a.c:3-9, (@\"a b.c\") @dir/ @pic.PNG @none @buffer mail@a.c"
                   lb-work (lb-file "a.c"))))
      (should (equal (mapcar (lambda (input) (plist-get input :type)) inputs)
                     '("file" "file" "folder" "image" "file")))
      (should (equal (plist-get (nth 0 inputs) :range)
                     '(:start (:line 2 :character 0) :end (:line 9 :character 0))))
      (should (string-suffix-p "/a%20b.c" (plist-get (nth 1 inputs) :uri)))
      (should (string-suffix-p "/dir" (plist-get (nth 2 inputs) :uri))))))

(ert-deftest chat-a-plan-is-shown-and-accepted ()
  (lb-session (:files lb-program-files :open "a.c"
               :replay (list (lb-rollout "plan it")
                             (lb-calls "p" "update_plan"
                                       :plan [(:step "Rename it" :status "completed")
                                              (:step "Test it" :status "in_progress")])
                             (lb-says "That is the plan.")
                             (lb-then "Test it") (lb-says "Carried out.")))
    (lb-open-chat)
    (lanebridge-set-mode "plan")
    (lb-wait "the mode" (equal (lanebridge-thread-mode lanebridge-view-thread) "plan"))
    (lb-keys "plan SPC it RET")
    (should (equal (lb-turn) "completed"))
    (lb-wait-chat "- [x] Rename it\n- [ ] **Test it**")
    (lanebridge-accept-plan "ask")
    (should (equal (lb-turn 2) "completed"))
    (lb-wait-chat "Carried out.")))

(defun lb-item (id title &rest more)
  "Have the server say that a call ID with TITLE and MORE begins in the turn u."
  (lanebridge-state--item-started
   (list :threadId (lanebridge-thread-id lanebridge-view-thread) :turnId "u"
         :item (append (list :id id :type "toolCall" :tool "grep" :title title) more))))

(defun lb-faces ()
  "The chat's text above the prompt, with faces and what is hidden."
  (lanebridge-view-flush)
  (let ((text (buffer-substring (point-min) lanebridge-view--prompt)))
    (remove-list-of-text-properties
     0 (length text) '(lanebridge-block keymap read-only front-sticky rear-nonsticky lanebridge-rule)
     text)
    text))

(ert-deftest chat-torn-text-looks-as-whole-text ()
  (let ((text "# A\n\nsee `a` and **b**\n```c\nint x;\n```\nafter `it`\n````\n```\n````\n- [x] *end*\n")
        whole)
    (dolist (size '(1000 1 3 7))
      (lb-session (:files lb-program-files :open "a.c")
        (lb-open-chat)
        (let ((id (lanebridge-thread-id lanebridge-view-thread)) (at 0))
          (lanebridge-state--turn-started (list :threadId id :turnId "u" :text "look"))
          (while (< at (length text))
            (lanebridge-state--item-delta
             (list :threadId id :turnId "u" :itemId "m" :type "agentMessage"
                   :delta (substring text at (min (length text) (+ at size)))))
            (lanebridge-view-flush)
            (setq at (+ at size)))
          (if (not whole)
              (setq whole (lb-faces))
            (should (equal-including-properties (lb-faces) whole))))))
    (should (get-text-property (string-search "int x" whole) 'face whole))
    (should-not (get-text-property (string-search "after" whole) 'face whole))))

(ert-deftest chat-visits-the-file-of-a-call ()
  (lb-session (:files lb-program-files :open "a.c"
               :replay (list (lb-rollout "read") (lb-calls "r" "read_file" :path "a.c")
                             (lb-says "I see.")))
    (lb-open-chat)
    (lb-keys "read RET")
    (should (equal (lb-turn) "completed"))
    (lb-wait-chat "tokens in")
    (goto-char (point-min))
    (search-forward "read_file")
    (lb-keys "o")
    (should (equal (buffer-name (window-buffer)) "a.c"))))

(ert-deftest chat-what-is-void-is-taken-away ()
  (lb-session (:files lb-program-files :open "a.c")
    (lb-open-chat)
    (let ((id (lanebridge-thread-id lanebridge-view-thread)))
      (lanebridge-state--turn-started (list :threadId id :turnId "u" :text "look"))
      (lanebridge-state--item-delta
       (list :threadId id :turnId "u" :itemId "m" :type "agentMessage" :delta "Half of"))
      (lb-wait-chat "Half of")
      (lanebridge-state--item-completed
       (list :threadId id :turnId "u"
             :item '(:id "m" :type "agentMessage" :text "Half of" :void t)))
      (lb-wait "it to be gone" (not (string-search "Half of" (lb-chat)))))))

(ert-deftest chat-what-a-helper-does-stands-below-its-call ()
  (lb-session (:files lb-program-files :open "a.c")
    (lb-open-chat)
    (lanebridge-state--turn-started
     (list :threadId (lanebridge-thread-id lanebridge-view-thread) :turnId "u" :text "look"))
    (lb-item "h1" "first helper")
    (lb-item "h2" "second helper")
    (lb-item "a" "of the first" :parentItemId "h1")
    (lb-item "b" "of the second" :parentItemId "h2")
    (lb-item "c" "of the first, too" :parentItemId "h1")
    (cl-flet ((order ()
                (lanebridge-view-flush)
                (mapcar (lambda (line) (replace-regexp-in-string ".*`\\(.*\\)`.*" "\\1" line))
                        (seq-filter (lambda (line) (string-search "`" line))
                                    (split-string (lb-chat) "\n"))))
              (wanted () '("first helper" "of the first" "of the first, too"
                           "second helper" "of the second")))
      (should (equal (order) (wanted)))
      (lanebridge-view-rebuild)
      (should (equal (order) (wanted))))))

(provide 'chat)
;;; chat.el ends here
